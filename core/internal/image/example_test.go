// SPDX-License-Identifier: MIT

package image_test

import (
	"bytes"
	"fmt"

	"github.com/qtforge/hotreload/core/internal/image"
)

func ExampleCheck() {
	script := []byte("#!/bin/sh\n")
	fmt.Println(image.Begins(script))
	fmt.Println(image.Check(bytes.NewReader(script), int64(len(script))))
	// Output:
	// false
	// neither an ELF, a PE nor a Mach-O image (it begins with 23 21 2f 62)
}
