package roles

import (
	"strings"

	"github.com/hibiken/asynq/x/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// addMetrics adds the operations that gather a collector once, as text: asynq's, and what Go's client tells of this process.
func (p *Peer) addMetrics() {
	add(p, "metrics", func(struct{}) (any, error) {
		return gathered(metrics.NewQueueMetricsCollector(p.inspector))
	})
	add(p, "go_metrics", func(struct{}) (any, error) {
		return gathered(collectors.NewGoCollector())
	})
}

// gathered is what a collector says now, as text.
func gathered(collector prometheus.Collector) (string, error) {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector); err != nil {
		return "", err
	}
	families, err := registry.Gather()
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return "", err
		}
	}
	return text.String(), nil
}
