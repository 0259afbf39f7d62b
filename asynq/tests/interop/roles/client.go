package roles

import (
	"time"

	"github.com/hibiken/asynq"
)

// enqueueArguments are a task and every option it may have; what is absent is not given to asynq.
type enqueueArguments struct {
	Type        string            `json:"type"`
	Payload     *string           `json:"payload"`
	Headers     map[string]string `json:"headers"`
	Queue       *string           `json:"queue"`
	TaskID      *string           `json:"task_id"`
	MaxRetry    *int              `json:"max_retry"`
	TimeoutMs   *int64            `json:"timeout_ms"`
	DeadlineMs  *int64            `json:"deadline_ms"`
	UniqueMs    *int64            `json:"unique_ms"`
	ProcessAtMs *int64            `json:"process_at_ms"`
	ProcessInMs *int64            `json:"process_in_ms"`
	RetentionMs *int64            `json:"retention_ms"`
	Group       *string           `json:"group"`
}

func (a enqueueArguments) task() *asynq.Task {
	var payload []byte
	if a.Payload != nil {
		payload = []byte(*a.Payload)
	}
	return asynq.NewTaskWithHeaders(a.Type, payload, a.Headers)
}

func (a enqueueArguments) options() []asynq.Option {
	var options []asynq.Option
	option(&options, a.Queue, asynq.Queue)
	option(&options, a.TaskID, asynq.TaskID)
	option(&options, a.MaxRetry, asynq.MaxRetry)
	option(&options, a.Group, asynq.Group)
	for _, moment := range []struct {
		ms *int64
		of func(time.Time) asynq.Option
	}{{a.DeadlineMs, asynq.Deadline}, {a.ProcessAtMs, asynq.ProcessAt}} {
		option(&options, moment.ms, func(ms int64) asynq.Option { return moment.of(time.UnixMilli(ms)) })
	}
	for _, span := range []struct {
		ms *int64
		of func(time.Duration) asynq.Option
	}{
		{a.TimeoutMs, asynq.Timeout},
		{a.UniqueMs, asynq.Unique},
		{a.ProcessInMs, asynq.ProcessIn},
		{a.RetentionMs, asynq.Retention},
	} {
		option(&options, span.ms, func(ms int64) asynq.Option { return span.of(milliseconds(ms)) })
	}
	return options
}

func option[T any](options *[]asynq.Option, value *T, of func(T) asynq.Option) {
	if value != nil {
		*options = append(*options, of(*value))
	}
}

func (p *Peer) addClient() {
	add(p, "ping", func(struct{}) (any, error) { return nil, p.client.Ping() })
	add(p, "enqueue", func(a enqueueArguments) (any, error) {
		info, err := p.client.Enqueue(a.task(), a.options()...)
		if err != nil {
			return nil, err
		}
		return taskOf(info), nil
	})
}
