package roles

import (
	"strings"

	"github.com/hibiken/asynq/x/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// addMetrics adds the operation that gathers asynq's collector once, as text.
func (p *Peer) addMetrics() {
	add(p, "metrics", func(struct{}) (any, error) {
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(metrics.NewQueueMetricsCollector(p.inspector)); err != nil {
			return nil, err
		}
		families, err := registry.Gather()
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		for _, family := range families {
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				return nil, err
			}
		}
		return text.String(), nil
	})
}
