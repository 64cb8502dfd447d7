//go:build tools

// Package helm pins Helm, for tests of the chart; tools/kubernetes/build.sh builds it.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
