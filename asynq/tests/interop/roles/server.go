package roles

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// errNotAFailure is the error that the server's IsFailure says is none.
var errNotAFailure = errors.New("not a failure")

// serveArguments configure a server; what is absent is asynq's default.
type serveArguments struct {
	Concurrency    int            `json:"concurrency"`
	Queues         map[string]int `json:"queues"`
	StrictPriority bool           `json:"strict_priority"`
	RetryDelayMs   *int64         `json:"retry_delay_ms"`
	TaskCheckMs    int64          `json:"task_check_ms"`
	DelayedCheckMs int64          `json:"delayed_check_ms"`
	JanitorMs      int64          `json:"janitor_ms"`
	ShutdownMs     int64          `json:"shutdown_ms"`
	Aggregates     bool           `json:"aggregates"`
	GroupGraceMs   int64          `json:"group_grace_ms"`
	GroupDelayMs   int64          `json:"group_max_delay_ms"`
	GroupMaxSize   int            `json:"group_max_size"`
}

func (a serveArguments) config() asynq.Config {
	config := asynq.Config{
		Concurrency: a.Concurrency, Queues: a.Queues, StrictPriority: a.StrictPriority,
		TaskCheckInterval:        milliseconds(a.TaskCheckMs),
		DelayedTaskCheckInterval: milliseconds(a.DelayedCheckMs),
		JanitorInterval:          milliseconds(a.JanitorMs),
		ShutdownTimeout:          milliseconds(a.ShutdownMs),
		GroupGracePeriod:         milliseconds(a.GroupGraceMs),
		GroupMaxDelay:            milliseconds(a.GroupDelayMs),
		GroupMaxSize:             a.GroupMaxSize,
		IsFailure:                func(err error) bool { return err != nil && !errors.Is(err, errNotAFailure) },
		LogLevel:                 asynq.WarnLevel,
	}
	if a.RetryDelayMs != nil {
		config.RetryDelayFunc = func(int, error, *asynq.Task) time.Duration { return milliseconds(*a.RetryDelayMs) }
	}
	if a.Aggregates {
		config.GroupAggregator = asynq.GroupAggregatorFunc(aggregate)
	}
	return config
}

// aggregate makes one task of a group's: its payload is theirs, joined by commas.
func aggregate(group string, tasks []*asynq.Task) *asynq.Task {
	payloads := each(tasks, func(t *asynq.Task) string { return string(t.Payload()) })
	return asynq.NewTask("aggregated:"+group, []byte(strings.Join(payloads, ",")))
}

// addServer adds the operation that makes this process a worker server, until a signal ends it as it ends any of asynq's.
func (p *Peer) addServer() {
	add(p, "serve", func(a serveArguments) (any, error) {
		server := asynq.NewServer(p.redis, a.config())
		if err := server.Ping(); err != nil {
			return nil, err
		}
		go func() {
			// Run also waits for the signals.
			if err := server.Run(asynq.HandlerFunc(p.handle)); err != nil {
				p.tell(map[string]any{"event": "failed", "error": err.Error()})
				os.Exit(1)
			}
			p.tell(map[string]any{"event": "ended"})
			os.Exit(0)
		}()
		return nil, nil
	})
}

// handle tells of the start and the end of what the handler does.
func (p *Peer) handle(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	most, _ := asynq.GetMaxRetry(ctx)
	deadline, _ := ctx.Deadline()
	p.tell(map[string]any{
		"event": "started", "id": id, "queue": queue, "type": t.Type(), "payload": string(t.Payload()),
		"headers": t.Headers(), "retried": retried, "max_retry": most, "deadline_ms": unixMilli(deadline),
	})
	err := behave(ctx, t)
	finished := map[string]any{"event": "finished", "id": id}
	if err != nil {
		finished["error"] = err.Error()
	}
	p.tell(finished)
	return err
}

// behave does what the task's type asks for, whatever follows a colon being its argument. A type that asks for nothing
// succeeds.
func behave(ctx context.Context, t *asynq.Task) error {
	what, argument, _ := strings.Cut(t.Type(), ":")
	switch what {
	case "fail":
		return errors.New("boom")
	case "skip-retry":
		return asynq.SkipRetry
	case "revoke":
		return asynq.RevokeTask
	case "not-a-failure":
		return errNotAFailure
	case "panic":
		panic("boom")
	case "hang":
		select {}
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	case "slow":
		ms, err := strconv.ParseInt(argument, 10, 64)
		if err != nil {
			return err
		}
		time.Sleep(milliseconds(ms))
	case "write-result":
		_, err := t.ResultWriter().Write(t.Payload())
		return err
	}
	return nil
}
