// SPDX-License-Identifier: MIT

package logging_test

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/qtforge/hotreload/core"
	"github.com/qtforge/hotreload/core/logging"
)

func ExampleSend() {
	m, err := core.New(core.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	out := make(lines, 100)
	if err := logging.Send(m, slog.New(slog.NewTextHandler(out, nil))); err != nil {
		fmt.Println(err)
		return
	}

	if err := m.Enable("greeting", "example_test.go", core.EnableOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	select {
	case line := <-out:
		fmt.Println(strings.Contains(line, `level=INFO msg="example_test.go: enabled" plugin=greeting`))
	case <-time.After(10 * time.Second):
		fmt.Println("nothing was logged in time")
	}
	// Output: true
}

// lines takes what is written as lines.
type lines chan string

func (w lines) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
