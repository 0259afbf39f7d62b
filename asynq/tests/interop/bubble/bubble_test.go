// Package bubble is the peer of package main under a clock of its own: time stands still while it waits for Redis or for
// the next line, and "advance" moves it at once. asynq itself is as it is: its clock is the bubble's.
package bubble

import (
	"encoding/json"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"firedrill/interop/roles"
)

// TestPeer serves stdin. The environment says where Redis is. Time begins with the year 2000.
func TestPeer(t *testing.T) {
	told, ok := os.LookupEnv("PEER_REDIS")
	if !ok {
		t.Skip("serves only whoever sets PEER_REDIS")
	}
	var address roles.Address
	if err := json.Unmarshal([]byte(told), &address); err != nil {
		t.Fatalf("PEER_REDIS: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		peer, err := roles.New(address, os.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		peer.AddAdvance(time.Sleep)
		if err := peer.Serve(os.Stdin); err != nil {
			t.Error(err)
		}
		if err := peer.Close(); err != nil {
			t.Error(err)
		}
	})
}
