// Command peer plays asynq's roles on the Redis named by its one argument, an address in JSON, as told on stdin.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"firedrill/interop/roles"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	var address roles.Address
	if err := json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &address); err != nil {
		return fmt.Errorf("the address: %w", err)
	}
	peer, err := roles.New(address, os.Stdout)
	if err != nil {
		return err
	}
	peer.AddAdvance(time.Sleep)
	return peer.Serve(os.Stdin)
}
