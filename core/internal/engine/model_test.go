// SPDX-License-Identifier: MIT

package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	modelSeed = flag.Uint64("model.seed", 0, "replay this sequence only")
	modelRuns = flag.Int("model.runs", 300, "how many sequences")
)

// TestModel drives the whole core through random sequences on simulated time
// and a simulated disk, and compares what was told with what a host needs: the
// last version, never a torn one, and nothing without cause.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		runModel(t, *modelSeed)
		return
	}
	for range *modelRuns {
		if seed := rand.Uint64(); !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runModel(t, seed) }) {
			t.Fatalf("replay with -run TestModel -model.seed=%d", seed)
		}
	}
}

type model struct {
	*host
	r      *rand.Rand
	causes int
	torn   int // writers that hold the file half-written
	n      int
	log    []string
	last   string // what the host loaded at the last delivery
	count  int
	failed string
}

func runModel(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	o := Options{
		Quiet:        []time.Duration{NoQuiet, 20 * ms, 100 * ms, time.Second}[r.IntN(4)],
		MaxDelay:     []time.Duration{50 * ms, 2 * time.Second, time.Minute}[r.IntN(3)],
		ForcePolling: r.IntN(4) == 0,
		PollInterval: 70 * ms,
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, o)
		defer h.m.Close()
		m := &model{host: h, r: r, last: "v0"}
		h.m.SetReloadCallback(m.loaded, nil)
		h.disk.replace("/plugins/log", "")
		h.enable("a", pluginPath)
		for range 5 + r.IntN(40) {
			m.step()
			if r.IntN(3) > 0 {
				// Odd times, so that nothing falls on the instant of a look.
				time.Sleep(time.Duration(r.IntN(int(300*ms))) | 1)
			}
			synctest.Wait()
		}
		h.m.SetGlobalEnabled(true)
		h.m.SetPluginPaused("a", false)
		time.Sleep(5*time.Minute | 1)
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		switch now := h.content(pluginPath); {
		case m.failed != "":
			t.Errorf("%s", m.failed)
		case m.last != now:
			t.Errorf("lost: loaded %q, on disk is %q", m.last, now)
		case m.count > m.causes:
			t.Errorf("told %d times for %d operations", m.count, m.causes)
		default:
			return
		}
		t.Logf("options %+v\n%s", o, strings.Join(m.log, "\n"))
	})
}

func (m *model) loaded(string) {
	c := m.content(pluginPath)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.last = c
	m.log = append(m.log, fmt.Sprintf("%v   told at %q", time.Now().Format("05.000"), c))
	if strings.HasPrefix(c, "torn") || c == "missing" {
		m.failed = fmt.Sprintf("told at %q", c)
	}
}

func (m *model) version() string { m.n++; return fmt.Sprint("v", m.n) }

func (m *model) step() {
	ops := []struct {
		name string
		do   func()
	}{
		{"replace", func() { m.disk.replace(pluginPath, m.version()) }},
		{"rewrite slowly", func() {
			closeIt := m.disk.open(pluginPath)
			for range 1 + m.r.IntN(4) {
				m.disk.write(pluginPath, fmt.Sprint("torn ", m.n))
				time.Sleep(time.Duration(m.r.IntN(int(400*ms))) | 1)
			}
			m.disk.write(pluginPath, m.version())
			closeIt()
		}},
		{"delete and re-create", func() {
			m.disk.remove(pluginPath)
			time.Sleep(time.Duration(m.r.IntN(int(200*ms))) | 1)
			m.disk.replace(pluginPath, m.version())
		}},
		{"touch", func() { m.disk.write(pluginPath, m.content(pluginPath)) }},
		{"chmod", func() { m.disk.chmod(pluginPath) }},
		{"noise", func() { m.disk.replace("/plugins/noise", "x") }},
		{"log", func() {
			for range 300 {
				m.disk.write("/plugins/log", "x")
			}
		}},
		{"overflow", func() { m.disk.overflow(func() { m.disk.replace(pluginPath, m.version()) }) }},
		{"pause", func() { m.m.SetGlobalEnabled(false) }},
		{"resume", func() { m.m.SetGlobalEnabled(true) }},
		{"pause the plugin", func() { m.m.SetPluginPaused("a", true) }},
		{"resume the plugin", func() { m.m.SetPluginPaused("a", false) }},
		{"check now", func() { m.m.CheckNow("a") }},
		{"check all now", func() { m.m.CheckAllNow() }},
		{"disable and enable", func() {
			m.m.Disable("a")
			if err := m.m.Enable("a", pluginPath, EnableOptions{}); err != nil {
				m.t.Error(err)
			}
			m.mu.Lock()
			m.last = m.content(pluginPath) // enabling takes the present version for known
			m.mu.Unlock()
		}},
	}
	op := ops[m.r.IntN(len(ops))]
	m.mu.Lock()
	m.causes++
	m.log = append(m.log, fmt.Sprintf("%v %s", time.Now().Format("05.000"), op.name))
	m.mu.Unlock()
	op.do()
}
