// SPDX-License-Identifier: MIT

//go:build unix

package engine

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/qtforge/hotreload/core/internal/fsys"
	"github.com/qtforge/hotreload/core/internal/stories"
	"github.com/qtforge/hotreload/core/internal/watch"
)

// TestStoriesOnARealDirectory tells the stories of testdata/stories; its README explains
// the commands. The tests of C, Qt and Python tell them, too.
func TestStoriesOnARealDirectory(t *testing.T) { tellAll(t, disturbance{}) }

// Where the system does not report writers, notifications of writes and closes decide.
func TestStoriesWhereWritersAreUnknown(t *testing.T) {
	tellAll(t, disturbance{blind: true, except: "needs"})
}

// blindDisk does not report writers, as for files of another user.
type blindDisk struct{ fsys.OS }

func (d blindDisk) Open(path string) (fsys.File, error) {
	f, err := d.OS.Open(path)
	return blindFile{f}, err
}

type blindFile struct{ fsys.File }

func (blindFile) Writer() fsys.Writer { return fsys.WriterUnknown }

var disturbed = flag.Bool("stories.disturbed", false, "tell the stories also while other things happen")

// disturbance is what may happen at any time without changing what the host hears.
type disturbance struct {
	name string
	do   func(s *teller)
	// except in stories with this command
	except string
	// blind means that the disk does not report writers. It is no disturbance.
	blind bool
}

var disturbances = []disturbance{
	{name: "pause and resume", do: func(s *teller) {
		if !s.paused {
			s.must(s.m.SetGlobalEnabled(false))
			s.must(s.m.SetGlobalEnabled(true))
		}
	}},
	{name: "other files", do: func(s *teller) {
		s.put("other", "x")
		s.must(os.Chmod(s.at("other"), 0o600))
		s.must(os.Rename(s.at("other"), s.at("another")))
		s.must(os.Remove(s.at("another")))
	}},
	{name: "another plugin", do: func(s *teller) {
		s.must(s.m.Enable("another", s.at("nowhere/another"), EnableOptions{AllowMissing: true}))
		_, err := s.m.Disable("another")
		s.must(err)
	}},
	// When notifications were lost, nobody knows whether chmod moved the change time, or a
	// write that restored the modification time.
	{name: "lost notifications", do: func(s *teller) { s.source.overflow() }, except: "chmod"},
}

func TestStoriesStayTheSameWhateverElseHappens(t *testing.T) {
	if !*disturbed {
		t.Skip("for make soak: -stories.disturbed")
	}
	for _, d := range disturbances {
		t.Run(d.name, func(t *testing.T) { tellAll(t, d) })
	}
}

// tellAll tells all stories, several at a time, because they mostly wait. The
// disturbance happens before each step.
func tellAll(t *testing.T, d disturbance) {
	t.Parallel()
	const atATime = 6
	var running sync.WaitGroup
	defer running.Wait()
	turns := make(chan struct{}, atATime)
	for _, path := range stories.Files(t, filepath.Join("..", "..", "testdata", "stories"), "*.txt", "core/*.txt") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, lines := range splitStories(string(text)) {
			if slices.ContainsFunc(lines, func(l storyLine) bool { return l.words[0] == d.except }) {
				continue
			}
			name := fmt.Sprintf("%s:%d", filepath.Base(path), lines[0].number)
			turns <- struct{}{}
			running.Go(func() {
				defer func() { <-turns }()
				t.Run(name, func(t *testing.T) { tell(t, path, lines, d) })
			})
		}
	}
}

type storyLine struct {
	number int
	words  []string
}

func splitStories(text string) (all [][]storyLine) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "story" {
			all = append(all, nil)
		}
		last := len(all) - 1
		all[last] = append(all[last], storyLine{i + 1, words})
	}
	return all
}

// teller tells one story.
type teller struct {
	t       *testing.T
	where   string // file and line
	dir     string
	options Options
	m       *Engine
	paths   map[string]string   // of the enabled plugins
	open    map[string]*os.File // held open for writing
	marker  int
	paused  bool
	source  *troubledSource

	mu     sync.Mutex
	heard  []string // "ID=TEXT" of changes, "-ID" of removals, not looked at yet
	health []HealthCode
}

const markerID = "marker"

func tell(t *testing.T, path string, lines []storyLine, d disturbance) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &teller{t: t, dir: dir, options: Options{Quiet: 30 * ms, PollInterval: 20 * ms},
		paths: map[string]string{}, open: map[string]*os.File{}}
	if d.blind {
		s.options.disk = blindDisk{}
	}
	t.Cleanup(s.end)
	for _, line := range lines[1:] {
		s.where = fmt.Sprintf("%s:%d: %s", path, line.number, strings.Join(line.words, " "))
		if d.do != nil && s.m != nil {
			d.do(s)
		}
		s.run(line.words[0], line.words[1:])
	}
	if !s.paused {
		s.where = path + ": at the end"
		s.nothing()
	}
}

func (s *teller) end() {
	for _, f := range s.open {
		_ = f.Close()
	}
	if s.m != nil {
		s.m.Close()
	}
}

func (s *teller) fatal(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf(s.where+": "+format, args...)
}

func (s *teller) must(err error) {
	s.t.Helper()
	if err != nil {
		s.fatal("%v", err)
	}
}

func (s *teller) at(path string) string { return filepath.Join(s.dir, path) }

func (s *teller) run(command string, args []string) {
	if s.file(command, args) {
		return
	}
	switch command {
	case "needs": // this system has it
		return
	case "manager":
		s.configure(args)
		return
	}
	s.start()
	switch command {
	case "enable":
		o := EnableOptions{}
		for _, arg := range args[2:] {
			if arg == "missing" {
				o.AllowMissing = true
				continue
			}
			o.Quiet = s.milliseconds(arg, "quiet=")
		}
		s.must(s.m.Enable(args[0], s.at(args[1]), o))
		s.mu.Lock()
		s.paths[args[0]] = s.at(args[1])
		s.mu.Unlock()
		s.nothing() // then it is watched
	case "enable-fails":
		want, ok := map[string]error{"not-found": ErrFileNotFound, "invalid-path": ErrInvalidPath, "exists": ErrAlreadyExists}[args[2]]
		if err := s.m.Enable(args[0], s.at(args[1]), EnableOptions{}); !ok || !errors.Is(err, want) {
			s.fatal("got %v", err)
		}
	case "disable":
		was, err := s.m.Disable(args[0])
		s.must(err)
		if !was {
			s.fatal("it was not enabled")
		}
	case "pause", "resume":
		s.paused = command == "pause"
		s.must(s.m.SetGlobalEnabled(!s.paused))
	case "deliver":
		s.deliver(args)
	case "finally":
		s.await(func() bool { return len(s.heard) > 0 && s.heard[len(s.heard)-1] == args[0] })
		s.heard = nil
	case "removed":
		s.next("-" + args[0])
	case "nothing":
		s.nothing()
	case "being-written":
		s.awaitStat(args[0], func(st Stats) int { return st.BeingWritten })
	case "waiting":
		s.awaitStat(args[0], func(st Stats) int { return st.Pending })
		if len(s.heard) > 0 {
			s.fatal("delivered: %q", s.heard)
		}
	case "watches":
		s.source.setRoom(args[0] == "none")
	case "health":
		code := map[string]HealthCode{"polling": HealthPolling, "watching": HealthWatching}[args[0]]
		s.await(func() bool { return slices.Contains(s.health, code) })
	default:
		s.fatal("no such command")
	}
}

// file runs a command that only concerns files. It reports whether it is one.
func (s *teller) file(command string, args []string) bool {
	switch command {
	case "write":
		s.put(args[0], args[1])
	case "replace":
		s.replace(args[0], args[1])
	case "open":
		f, err := os.Create(s.at(args[0]))
		s.must(err)
		s.open[args[0]] = f
	case "put":
		_, err := s.held(args[0]).WriteString(args[1])
		s.must(err)
	case "close":
		s.must(s.held(args[0]).Close())
		delete(s.open, args[0])
	case "read":
		_, err := os.ReadFile(s.at(args[0]))
		s.must(err)
	case "touch":
		s.must(os.Chtimes(s.at(args[0]), time.Now(), time.Now()))
	case "chmod":
		mode, err := strconv.ParseUint(args[1], 8, 32)
		s.must(err)
		s.must(os.Chmod(s.at(args[0]), os.FileMode(mode)))
	case "mkdir":
		s.must(os.Mkdir(s.at(args[0]), 0o755))
	case "rename":
		s.must(os.Rename(s.at(args[0]), s.at(args[1])))
	case "remove":
		_, err := os.Lstat(s.at(args[0]))
		s.must(err)
		s.must(os.RemoveAll(s.at(args[0])))
	case "hardlink":
		s.must(os.Link(s.at(args[0]), s.at(args[1]+".new")))
		s.must(os.Rename(s.at(args[1]+".new"), s.at(args[1])))
	case "link":
		s.must(os.Symlink(args[0], s.at(args[1]+".new")))
		s.must(os.Rename(s.at(args[1]+".new"), s.at(args[1])))
	case "churn":
		s.churn(args[0], args[1])
	default:
		return false
	}
	return true
}

func (s *teller) put(path, content string) {
	s.must(os.WriteFile(s.at(path), []byte(content), 0o644))
}

func (s *teller) replace(path, content string) {
	s.put(path+".new", content)
	s.must(os.Rename(s.at(path+".new"), s.at(path)))
}

// held is a file that an earlier command opened. It may have been renamed since.
func (s *teller) held(path string) *os.File {
	f := s.open[path]
	if f == nil {
		s.fatal("%s is not open", path)
	}
	return f
}

func (s *teller) churn(path, content string) {
	deadline := time.Now().Add(bound)
	for i := 0; ; i++ {
		s.mu.Lock()
		heard := len(s.heard) > 0
		s.mu.Unlock()
		if heard {
			break
		}
		if time.Now().After(deadline) {
			s.fatal("nothing is delivered within %v", bound)
		}
		s.replace(path, fmt.Sprint(content, i))
		_, err := unix.Poll(nil, 3)
		if err != nil && !errors.Is(err, unix.EINTR) {
			s.fatal("%v", err)
		}
	}
	s.replace(path, content)
}

func (s *teller) configure(args []string) {
	for _, arg := range args {
		switch arg {
		case "quiet=none":
			s.options.Quiet = NoQuiet
		case "polling":
			s.options.ForcePolling = true
		case "compare-content":
			s.options.IgnoreUnchangedContent = true
		default:
			s.options.MaxDelay = s.milliseconds(arg, "max-delay=")
		}
	}
}

func (s *teller) milliseconds(arg, name string) time.Duration {
	text, ok := strings.CutPrefix(arg, name)
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		s.fatal("no such option: %s", arg)
	}
	return time.Duration(n) * ms
}

// start makes the manager and enables the marker.
func (s *teller) start() {
	if s.m != nil {
		return
	}
	s.source = &troubledSource{errs: make(chan error, 1)}
	s.options.newSource = func() (watch.Source, error) {
		src, err := watch.Open()
		s.source.Source = src
		return s.source, err
	}
	m, err := New(s.options)
	s.must(err)
	s.m = m
	s.must(m.SetReloadCallback(func(id string) { s.hear(id + "=" + s.content(id)) }, nil))
	s.must(m.SetEventCallback(func(e Event) {
		switch e.Kind {
		case FileRemoved:
			s.hear("-" + e.ID)
		case Health:
			s.mu.Lock()
			s.health = append(s.health, e.Health)
			s.mu.Unlock()
		}
	}, nil))
	s.paths[markerID] = s.at(markerID)
	s.replace(markerID, "0")
	s.must(m.Enable(markerID, s.at(markerID), EnableOptions{}))
}

func (s *teller) content(id string) string {
	s.mu.Lock()
	path := s.paths[id]
	s.mu.Unlock()
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (s *teller) hear(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, what)
}

// await waits, with a bound, until ok, which is called with mu held.
func (s *teller) await(ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(bound); ; {
		s.mu.Lock()
		done, heard := ok(), slices.Clone(s.heard)
		s.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			st, _ := s.m.Stats()
			s.fatal("not within %v; delivered: %q; stats %+v", bound, heard, st)
		}
		_, _ = unix.Poll(nil, 1)
	}
}

func (s *teller) awaitStat(want string, of func(Stats) int) {
	s.t.Helper()
	n, err := strconv.Atoi(want)
	s.must(err)
	s.await(func() bool {
		st, err := s.m.Stats()
		return err == nil && of(st) == n
	})
}

// next waits for the next deliveries, and checks them.
func (s *teller) next(want ...string) {
	s.t.Helper()
	s.await(func() bool { return len(s.heard) >= len(want) })
	s.mu.Lock()
	defer s.mu.Unlock()
	got := slices.Sorted(slices.Values(s.heard[:len(want)]))
	if slices.Sort(want); !slices.Equal(got, want) {
		s.fatal("delivered: %q", s.heard)
	}
	s.heard = s.heard[len(want):]
}

func (s *teller) deliver(want []string) {
	s.t.Helper()
	s.next(slices.Clone(want)...)
}

// nothing proves by order that nothing is delivered: the marker is next. While other
// files settle, it is changed again.
func (s *teller) nothing() {
	s.t.Helper()
	s.start()
	for deadline := time.Now().Add(bound); ; {
		s.marker++
		content := strconv.Itoa(s.marker)
		s.replace(markerID, content)
		s.next(markerID + "=" + content)
		st, err := s.m.Stats()
		s.must(err)
		if st.Settling == st.BeingWritten {
			return
		}
		if time.Now().After(deadline) {
			s.fatal("files settle for ever; stats %+v", st)
		}
	}
}

// troubledSource may have no room for further watches, and may lose notifications.
type troubledSource struct {
	watch.Source
	errs chan error
	mu   sync.Mutex
	none bool
}

func (r *troubledSource) setRoom(none bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.none = none
}

func (r *troubledSource) Add(path string, files bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.none {
		return unix.ENOSPC
	}
	return r.Source.Add(path, files)
}

func (r *troubledSource) Errors() <-chan error { return r.errs }

// overflow says that notifications were dropped.
func (r *troubledSource) overflow() {
	select {
	case r.errs <- fsnotify.ErrEventOverflow:
	default: // it was said already
	}
}
