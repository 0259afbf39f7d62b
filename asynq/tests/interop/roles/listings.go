package roles

import (
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

func (p *Peer) queueInfo(queue string) (any, error) {
	info, err := p.inspector.GetQueueInfo(queue)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"queue": info.Queue, "latency_ns": info.Latency.Nanoseconds(), "memory_usage": info.MemoryUsage,
		"size": info.Size, "groups": info.Groups, "pending": info.Pending, "active": info.Active,
		"scheduled": info.Scheduled, "retry": info.Retry, "archived": info.Archived, "completed": info.Completed,
		"aggregating": info.Aggregating, "processed": info.Processed, "failed": info.Failed,
		"processed_total": info.ProcessedTotal, "failed_total": info.FailedTotal, "paused": info.Paused,
	}, nil
}

func (p *Peer) history(a struct {
	ofQueue
	Days int `json:"days"`
}) (any, error) {
	stats, err := p.inspector.History(a.Queue, a.Days)
	return each(stats, func(day *asynq.DailyStats) any {
		return map[string]any{
			"date": day.Date.UTC().Format(time.DateOnly), "processed": day.Processed, "failed": day.Failed,
		}
	}), err
}

func (p *Peer) servers(struct{}) (any, error) {
	servers, err := p.inspector.Servers()
	return each(servers, func(s *asynq.ServerInfo) any {
		return map[string]any{
			"id": s.ID, "host": s.Host, "pid": s.PID, "concurrency": s.Concurrency, "queues": s.Queues,
			"strict_priority": s.StrictPriority, "started_ms": unixMilli(s.Started), "status": s.Status,
			"active_workers": each(s.ActiveWorkers, workerOf),
		}
	}), err
}

func workerOf(w *asynq.WorkerInfo) any {
	return map[string]any{
		"task_id": w.TaskID, "task_type": w.TaskType, "task_payload": string(w.TaskPayload), "queue": w.Queue,
		"started_ms": unixMilli(w.Started), "deadline_ms": unixMilli(w.Deadline),
	}
}

func (p *Peer) schedulerEntries(struct{}) (any, error) {
	entries, err := p.inspector.SchedulerEntries()
	return each(entries, func(e *asynq.SchedulerEntry) any {
		return map[string]any{
			"id": e.ID, "spec": e.Spec, "type": e.Task.Type(), "payload": string(e.Task.Payload()),
			"options": each(e.Opts, func(o asynq.Option) string { return fmt.Sprint(o) }),
			"next_ms": unixMilli(e.Next), "prev_ms": unixMilli(e.Prev),
		}
	}), err
}

func (p *Peer) schedulerEvents(a struct {
	Entry string `json:"entry"`
	ofPage
}) (any, error) {
	events, err := p.inspector.ListSchedulerEnqueueEvents(a.Entry, a.options()...)
	return each(events, func(e *asynq.SchedulerEnqueueEvent) any {
		return map[string]any{"task_id": e.TaskID, "enqueued_at_ms": unixMilli(e.EnqueuedAt)}
	}), err
}
