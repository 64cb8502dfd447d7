//go:build tools

// Package tangle pins the programs of a private Tangle; `make tools` builds them.
package tangle

import (
	_ "github.com/iotaledger/hornet/v2"
	_ "github.com/iotaledger/inx-mqtt"
)
