// Go asynq in the comparison of throughputs (benches/peers/throughput): one workload against a Redis that is there, one line of
// JSON. Its own client and its own servers, as a program has them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// Tasks that are enqueued and not worked on yet, at most, where both are done at once: who produces faster waits.
const window = 1000

// A check of an empty queue as often as ours has it; asynq's own is one a second.
const check = 2 * time.Millisecond

var (
	port        = flag.Int("port", 0, "port of the Redis, on loopback")
	seconds     = flag.Float64("seconds", 3, "how long tasks are produced")
	tasks       = flag.Int64("tasks", 0, "how many are in the queue, where none are produced")
	concurrency = flag.Int("concurrency", 100, "most tasks that a server works on at a time")
	servers     = flag.Int("servers", 1, "servers in this process")
	producers   = flag.Int("producers", 50, "goroutines that enqueue")
)

var payload = []byte(`{"user":1234567890,"template":"welcome","locale":"en-GB","campaign":"----------------------------x"}`)

func main() {
	workload := ""
	if len(os.Args) > 1 {
		workload = os.Args[1]
		os.Args = os.Args[1:]
	}
	flag.Parse()
	to := asynq.RedisClientOpt{Addr: fmt.Sprintf("127.0.0.1:%d", *port)}
	switch workload {
	case "cycle":
		cycle(to)
	case "drain":
		drain(to)
	case "enqueue":
		start := time.Now()
		did(start, produce(to, nil))
	case "memory":
		memory(to)
	default:
		log.Fatal("cycle, drain, enqueue or memory?")
	}
}

func did(start time.Time, tasks int64) {
	tell(map[string]any{"tasks": tasks, "wall_seconds": time.Since(start).Seconds()})
}

func tell(figures map[string]any) {
	line, err := json.Marshal(figures)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func serve(to asynq.RedisClientOpt, handle func()) []*asynq.Server {
	running := make([]*asynq.Server, *servers)
	for i := range running {
		running[i] = asynq.NewServer(to, asynq.Config{
			Concurrency:       *concurrency,
			TaskCheckInterval: check,
			LogLevel:          asynq.FatalLevel,
		})
		err := running[i].Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			handle()
			return nil
		}))
		if err != nil {
			log.Fatal(err)
		}
	}
	return running
}

func shutdown(running []*asynq.Server) {
	var ended sync.WaitGroup
	for _, server := range running {
		ended.Go(server.Shutdown)
	}
	ended.Wait()
}

// Enqueues until the time is over, or the gate holds it up; how many.
func produce(to asynq.RedisClientOpt, gate chan struct{}) int64 {
	client := asynq.NewClient(to)
	defer client.Close()
	end := time.Now().Add(time.Duration(*seconds * 1e9))
	var sent sync.WaitGroup
	var accepted atomic.Int64
	for range *producers {
		sent.Go(func() {
			for time.Now().Before(end) {
				if gate != nil {
					gate <- struct{}{}
				}
				if _, err := client.Enqueue(asynq.NewTask("email:send", payload)); err != nil {
					log.Fatal(err)
				}
				accepted.Add(1)
			}
		})
	}
	sent.Wait()
	return accepted.Load()
}

func cycle(to asynq.RedisClientOpt) {
	gate := make(chan struct{}, window)
	var done atomic.Int64
	running := serve(to, func() {
		<-gate
		done.Add(1)
	})
	start := time.Now()
	produced := produce(to, gate)
	for done.Load() < produced {
		time.Sleep(time.Millisecond)
	}
	did(start, produced)
	shutdown(running)
}

func drain(to asynq.RedisClientOpt) {
	start := time.Now()
	var done atomic.Int64
	running := serve(to, func() { done.Add(1) })
	for done.Load() < *tasks {
		time.Sleep(time.Millisecond)
	}
	did(start, *tasks)
	shutdown(running)
}

// As many tasks as there are slots, none of which returns before all have begun.
func memory(to asynq.RedisClientOpt) {
	var begun atomic.Int64
	release := make(chan struct{})
	before := resident()
	running := serve(to, func() {
		begun.Add(1)
		<-release
	})
	for begun.Load() < *tasks {
		time.Sleep(time.Millisecond)
	}
	bytes := resident() - before
	tell(map[string]any{"tasks": *tasks, "bytes": bytes})
	close(release)
	shutdown(running)
}

// Bytes of this process in memory.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				log.Fatal(err)
			}
			return kib * 1024
		}
	}
	log.Fatal("no VmRSS")
	return 0
}
