package roles

import (
	"time"
	// So that a zone is known wherever the tests run.
	_ "time/tzdata"

	"github.com/hibiken/asynq"
	"github.com/robfig/cron/v3"
)

// addScheduler adds the operations that make this process a scheduler, until "unschedule" ends it, and that tell when
// specifications are due.
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
	add(p, "due", func(a struct {
		Cases []struct {
			Spec   string `json:"spec"`
			FromMs int64  `json:"from_ms"`
			Count  int    `json:"count"`
		} `json:"cases"`
	}) (any, error) {
		all := [][]int64{}
		for _, c := range a.Cases {
			schedule, err := cron.ParseStandard(c.Spec)
			if err != nil {
				// What it does not read is never due.
				all = append(all, nil)
				continue
			}
			// asynq's scheduler goes by UTC unless it is told otherwise.
			at, times := time.UnixMilli(c.FromMs).UTC(), []int64{}
			for len(times) < c.Count {
				at = schedule.Next(at)
				if at.IsZero() {
					break
				}
				times = append(times, at.UnixMilli())
			}
			all = append(all, times)
		}
		return all, nil
	})
}
