package roles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hibiken/asynq"
)

type ofQueue struct {
	Queue string `json:"queue"`
}

type ofTask struct {
	Queue string `json:"queue"`
	ID    string `json:"id"`
}

type ofState struct {
	Queue string `json:"queue"`
	State string `json:"state"`
	Group string `json:"group"`
}

type ofPage struct {
	Page int `json:"page"`
	Size int `json:"size"`
}

func (a ofPage) options() []asynq.ListOption {
	var options []asynq.ListOption
	if a.Page != 0 {
		options = append(options, asynq.Page(a.Page))
	}
	if a.Size != 0 {
		options = append(options, asynq.PageSize(a.Size))
	}
	return options
}

// task is what the inspector says of a task.
type task struct {
	ID              string            `json:"id"`
	Queue           string            `json:"queue"`
	Type            string            `json:"type"`
	Payload         string            `json:"payload"`
	Headers         map[string]string `json:"headers"`
	State           string            `json:"state"`
	MaxRetry        int               `json:"max_retry"`
	Retried         int               `json:"retried"`
	LastErr         string            `json:"last_err"`
	LastFailedAtMs  *int64            `json:"last_failed_at_ms"`
	TimeoutMs       int64             `json:"timeout_ms"`
	DeadlineMs      *int64            `json:"deadline_ms"`
	Group           string            `json:"group"`
	NextProcessAtMs *int64            `json:"next_process_at_ms"`
	IsOrphaned      bool              `json:"is_orphaned"`
	RetentionMs     int64             `json:"retention_ms"`
	CompletedAtMs   *int64            `json:"completed_at_ms"`
	Result          string            `json:"result"`
}

func taskOf(info *asynq.TaskInfo) task {
	return task{
		ID: info.ID, Queue: info.Queue, Type: info.Type, Payload: string(info.Payload), Headers: info.Headers,
		State: info.State.String(), MaxRetry: info.MaxRetry, Retried: info.Retried, LastErr: info.LastErr,
		LastFailedAtMs: unixMilli(info.LastFailedAt), TimeoutMs: info.Timeout.Milliseconds(),
		DeadlineMs: unixMilli(info.Deadline), Group: info.Group, NextProcessAtMs: unixMilli(info.NextProcessAt),
		IsOrphaned: info.IsOrphaned, RetentionMs: info.Retention.Milliseconds(),
		CompletedAtMs: unixMilli(info.CompletedAt), Result: string(info.Result),
	}
}

func tasksOf(infos []*asynq.TaskInfo, err error) (any, error) {
	return each(infos, taskOf), err
}

// each is never null, so that "none" reads as an empty list.
func each[A, B any](of []A, as func(A) B) []B {
	made := make([]B, 0, len(of))
	for _, one := range of {
		made = append(made, as(one))
	}
	return made
}

func (p *Peer) addInspector() {
	i := func() *asynq.Inspector { return p.inspector }
	// Names come in the order of a Redis set, which is none.
	add(p, "queues", func(struct{}) (any, error) {
		names, err := i().Queues()
		slices.Sort(names)
		return names, err
	})
	add(p, "queue_info", func(a ofQueue) (any, error) { return p.queueInfo(a.Queue) })
	add(p, "history", p.history)
	add(p, "delete_queue", func(a struct {
		ofQueue
		Force bool `json:"force"`
	}) (any, error) {
		return nil, i().DeleteQueue(a.Queue, a.Force)
	})
	add(p, "pause_queue", func(a ofQueue) (any, error) { return nil, i().PauseQueue(a.Queue) })
	add(p, "unpause_queue", func(a ofQueue) (any, error) { return nil, i().UnpauseQueue(a.Queue) })
	add(p, "groups", func(a ofQueue) (any, error) {
		groups, err := i().Groups(a.Queue)
		slices.SortFunc(groups, func(a, b *asynq.GroupInfo) int { return strings.Compare(a.Group, b.Group) })
		return each(groups, func(g *asynq.GroupInfo) any { return map[string]any{"group": g.Group, "size": g.Size} }), err
	})

	add(p, "task_info", func(a ofTask) (any, error) {
		info, err := i().GetTaskInfo(a.Queue, a.ID)
		if err != nil {
			return nil, err
		}
		return taskOf(info), nil
	})
	add(p, "list_tasks", p.listTasks)
	add(p, "run_task", func(a ofTask) (any, error) { return nil, i().RunTask(a.Queue, a.ID) })
	add(p, "archive_task", func(a ofTask) (any, error) { return nil, i().ArchiveTask(a.Queue, a.ID) })
	add(p, "delete_task", func(a ofTask) (any, error) { return nil, i().DeleteTask(a.Queue, a.ID) })
	add(p, "cancel_processing", func(a struct {
		ID string `json:"id"`
	}) (any, error) {
		return nil, i().CancelProcessing(a.ID)
	})
	add(p, "update_task_payload", func(a struct {
		ofTask
		Payload string `json:"payload"`
	}) (any, error) {
		return nil, i().UpdateTaskPayload(a.Queue, a.ID, []byte(a.Payload))
	})
	add(p, "run_all_tasks", p.runAll)
	add(p, "archive_all_tasks", p.archiveAll)
	add(p, "delete_all_tasks", p.deleteAll)

	add(p, "servers", p.servers)
	add(p, "scheduler_entries", p.schedulerEntries)
	add(p, "scheduler_events", p.schedulerEvents)
	add(p, "cluster_key_slot", func(a ofQueue) (any, error) { return i().ClusterKeySlot(a.Queue) })
	add(p, "cluster_nodes", func(a ofQueue) (any, error) {
		nodes, err := i().ClusterNodes(a.Queue)
		return each(nodes, func(n *asynq.ClusterNode) any { return map[string]any{"id": n.ID, "addr": n.Addr} }), err
	})
}

func (p *Peer) listTasks(a struct {
	ofState
	ofPage
}) (any, error) {
	i, options := p.inspector, a.options()
	switch a.State {
	case "pending":
		return tasksOf(i.ListPendingTasks(a.Queue, options...))
	case "active":
		return tasksOf(i.ListActiveTasks(a.Queue, options...))
	case "scheduled":
		return tasksOf(i.ListScheduledTasks(a.Queue, options...))
	case "retry":
		return tasksOf(i.ListRetryTasks(a.Queue, options...))
	case "archived":
		return tasksOf(i.ListArchivedTasks(a.Queue, options...))
	case "completed":
		return tasksOf(i.ListCompletedTasks(a.Queue, options...))
	case "aggregating":
		return tasksOf(i.ListAggregatingTasks(a.Queue, a.Group, options...))
	}
	return nil, noState(a.State)
}

func (p *Peer) runAll(a ofState) (any, error) {
	i := p.inspector
	switch a.State {
	case "scheduled":
		return i.RunAllScheduledTasks(a.Queue)
	case "retry":
		return i.RunAllRetryTasks(a.Queue)
	case "archived":
		return i.RunAllArchivedTasks(a.Queue)
	case "aggregating":
		return i.RunAllAggregatingTasks(a.Queue, a.Group)
	}
	return nil, noState(a.State)
}

func (p *Peer) archiveAll(a ofState) (any, error) {
	i := p.inspector
	switch a.State {
	case "pending":
		return i.ArchiveAllPendingTasks(a.Queue)
	case "scheduled":
		return i.ArchiveAllScheduledTasks(a.Queue)
	case "retry":
		return i.ArchiveAllRetryTasks(a.Queue)
	case "aggregating":
		return i.ArchiveAllAggregatingTasks(a.Queue, a.Group)
	}
	return nil, noState(a.State)
}

func (p *Peer) deleteAll(a ofState) (any, error) {
	i := p.inspector
	switch a.State {
	case "pending":
		return i.DeleteAllPendingTasks(a.Queue)
	case "scheduled":
		return i.DeleteAllScheduledTasks(a.Queue)
	case "retry":
		return i.DeleteAllRetryTasks(a.Queue)
	case "archived":
		return i.DeleteAllArchivedTasks(a.Queue)
	case "completed":
		return i.DeleteAllCompletedTasks(a.Queue)
	case "aggregating":
		return i.DeleteAllAggregatingTasks(a.Queue, a.Group)
	}
	return nil, noState(a.State)
}

func noState(name string) error {
	return fmt.Errorf("the inspector has no such operation on the state %q", name)
}
