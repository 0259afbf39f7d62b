// Command worker is a team's worker as any team has it: it takes Redis' address from REDIS_ADDR, works for some milliseconds on
// every task, and exposes what it has done. It knows nothing of drills.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run() error {
	queues := flag.String("queues", "default", "queues it serves, separated by commas")
	concurrency := flag.Int("concurrency", 4, "tasks at a time")
	takes := flag.Duration("takes", 20*time.Millisecond, "how long a task takes")
	fails := flag.String("fails", "", "the type of tasks that fail")
	leaks := flag.Int("leaks", 0, "bytes that each task takes and never gives back")
	flag.Parse()
	address := os.Getenv("REDIS_ADDR")
	if address == "" {
		return errors.New("REDIS_ADDR is not set")
	}
	processed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "job_processed_total", Help: "Tasks processed.",
	}, []string{"queue", "status"})
	if at := os.Getenv("METRICS_ADDR"); at != "" {
		if err := expose(at, processed); err != nil {
			return err
		}
	}
	served := map[string]int{}
	for _, queue := range strings.Split(*queues, ",") {
		served[queue] = 1
	}
	handle := func(ctx context.Context, task *asynq.Task) error {
		leak(*leaks)
		time.Sleep(*takes)
		queue, _ := asynq.GetQueueName(ctx)
		if task.Type() == *fails {
			processed.WithLabelValues(queue, "failure").Inc()
			return errors.New("it is its type that fails")
		}
		processed.WithLabelValues(queue, "success").Inc()
		return nil
	}
	config := asynq.Config{Concurrency: *concurrency, Queues: served, LogLevel: asynq.InfoLevel}
	return asynq.NewServer(asynq.RedisClientOpt{Addr: address}, config).Run(asynq.HandlerFunc(handle))
}

var leaked struct {
	sync.Mutex
	bytes [][]byte
}

// leak takes memory, really, and never gives it back.
func leak(size int) {
	if size == 0 {
		return
	}
	taken := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		taken[at] = 1
	}
	leaked.Lock()
	defer leaked.Unlock()
	leaked.bytes = append(leaked.bytes, taken)
}

// expose serves what the counters say at an address, while the process lives.
func expose(at string, counters prometheus.Collector) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(counters); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	pages := http.NewServeMux()
	pages.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	go func() { _ = http.Serve(listener, pages) }()
	return nil
}
