//go:build tools

// Package kwok pins KWOK, whose nodes and pods exist on paper only; tools/kubernetes/build.sh builds it.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
