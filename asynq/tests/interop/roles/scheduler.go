package roles

import (
	"github.com/hibiken/asynq"
)

// addScheduler adds the operation that makes this process a scheduler, until "unschedule" ends it.
func (p *Peer) addScheduler() {
	var scheduler *asynq.Scheduler
	add(p, "schedule", func(a struct {
		HeartbeatMs int64 `json:"heartbeat_ms"`
		Entries     []struct {
			Spec string `json:"spec"`
			enqueueArguments
		} `json:"entries"`
	}) (any, error) {
		scheduler = asynq.NewScheduler(p.redis, &asynq.SchedulerOpts{
			HeartbeatInterval: milliseconds(a.HeartbeatMs),
			LogLevel:          asynq.WarnLevel,
			PostEnqueueFunc: func(info *asynq.TaskInfo, err error) {
				if err != nil {
					p.tell(map[string]any{"event": "not enqueued", "error": err.Error()})
				} else {
					p.tell(map[string]any{"event": "enqueued", "id": info.ID})
				}
			},
		})
		ids := []string{}
		for _, entry := range a.Entries {
			id, err := scheduler.Register(entry.Spec, entry.task(), entry.options()...)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
		return ids, scheduler.Start()
	})
	add(p, "unschedule", func(struct{}) (any, error) {
		scheduler.Shutdown()
		return nil, nil
	})
}
