// A plain asynq producer or worker, for benches/peers/live_cost: what the same work costs a Go program.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

var (
	redis       = flag.String("redis", "", "socket of Redis")
	rate        = flag.Float64("rate", 600, "producer: tasks a second, at random moments")
	seconds     = flag.Float64("seconds", 15, "producer: how long")
	concurrency = flag.Int("concurrency", 10, "worker: slots")
	check       = flag.Duration("check", time.Second, "worker: pause after an empty queue")
	service     = flag.Duration("service", 0, "worker: how long a handler sleeps on average")
	p95         = flag.Duration("p95", 0, "worker: its 95th percentile")
)

func main() {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
		os.Args = os.Args[1:]
	}
	flag.Parse()
	to := asynq.RedisClientOpt{Network: "unix", Addr: *redis}
	switch role {
	case "produce":
		produce(to)
	case "work":
		work(to)
	default:
		log.Fatal("produce or work?")
	}
}

// An open loop: arrivals come whatever Redis does, each enqueued by a goroutine of its own.
func produce(to asynq.RedisClientOpt) {
	client := asynq.NewClient(to)
	defer client.Close()
	dice := rand.New(rand.NewSource(1))
	var sent sync.WaitGroup
	var accepted atomic.Int64
	start := time.Now()
	for at := 0.0; ; {
		at += dice.ExpFloat64() / *rate
		if at >= *seconds {
			break
		}
		time.Sleep(time.Until(start.Add(time.Duration(at * 1e9))))
		sent.Go(func() {
			task := asynq.NewTask("email:send", []byte(`{"workload":0,"seq":1234}`))
			if _, err := client.Enqueue(task); err != nil {
				log.Fatal(err)
			}
			accepted.Add(1)
		})
	}
	sent.Wait()
	fmt.Println(accepted.Load())
}

// A log-normal sleep per task.
func work(to asynq.RedisClientOpt) {
	// Of ln(p95 / mean) = 1.645 s - s²/2 the smaller root.
	sigma := 1.645 - math.Sqrt(1.645*1.645-2*math.Log(p95.Seconds()/service.Seconds()))
	mu := math.Log(service.Seconds()) - sigma*sigma/2
	server := asynq.NewServer(to, asynq.Config{
		Concurrency:       *concurrency,
		TaskCheckInterval: *check,
		LogLevel:          asynq.FatalLevel,
	})
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		time.Sleep(time.Duration(math.Exp(mu+sigma*rand.NormFloat64()) * 1e9))
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	server.Shutdown()
}
