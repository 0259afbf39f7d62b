package main

import (
	"context"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/replicaset"
)

// Starts Kubernetes' own controllers of deployments and of their replica sets, which make pods and delete them. No scheduler and no
// node is here: who wants pods to run says that they do.
func startControllers(ctx context.Context, server string) error {
	config := &rest.Config{
		Host:            server,
		BearerToken:     "admin",
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             100,
		Burst:           100,
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	known := informers.NewSharedInformerFactory(client, 0)
	sets, pods := known.Apps().V1().ReplicaSets(), known.Core().V1().Pods()
	deployments, err := deployment.NewDeploymentController(ctx, known.Apps().V1().Deployments(), sets, pods, client)
	if err != nil {
		return err
	}
	go deployments.Run(ctx, 2)
	go replicaset.NewReplicaSetController(ctx, sets, pods, client, replicaset.BurstReplicas).Run(ctx, 2)
	known.Start(ctx.Done())
	return nil
}
