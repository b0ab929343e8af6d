// SPDX-License-Identifier: MIT

package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/qtforge/hotreload/core/internal/fsys"
)

// finder is a host of folders, in a bubble with simulated time.
type finder struct {
	*host
	during func(Event) // called inside the event callback
}

// findIn runs test with a manager that watches nothing yet, and with /plugins/a.so.
func findIn(t *testing.T, o Options, test func(h *finder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &finder{host: newHost(t, o)}
		must(t, h.m.SetEventCallback(func(e Event) {
			h.note(e)
			if h.during != nil {
				h.during(e)
			}
		}, nil))
		defer h.m.Close()
		test(h)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// note writes events down: "?id" discovered and known, "+id" discovered, "id=content"
// changed, "-id" removed, "!id" disabled, "health:path" the rest.
func (h *finder) note(e Event) {
	content := h.content(e.Path)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e.Kind {
	case Discovered:
		if e.FolderID == "" {
			h.t.Errorf("%+v names no folder", e)
		}
		if e.Generation == 0 {
			h.told = append(h.told, "?"+e.ID)
		} else {
			h.told = append(h.told, "+"+e.ID)
		}
	case FileChanged:
		h.told = append(h.told, fmt.Sprintf("%s=%s", e.ID, content))
	case FileRemoved:
		h.told = append(h.told, "-"+e.ID)
	case Disabled:
		h.told = append(h.told, "!"+e.ID)
	case Health:
		h.told = append(h.told, fmt.Sprintf("%d:%s", e.Health, e.Path))
	}
	h.ev = append(h.ev, e)
}

// hears checks what the host has heard since the last call, after d, in this order.
func (h *finder) hears(d time.Duration, want ...string) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.told, want) {
		h.t.Fatalf("heard %q, want %q", h.told, want)
	}
	h.told = nil
}

func (h *finder) folder(o FolderOptions) {
	h.t.Helper()
	must(h.t, h.m.EnableFolder("f", "/plugins", o))
}

const settled = time.Second

func TestAFileThatAppearsInAFolderIsDeliveredOnceAsDiscoveredAndChanged(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{Include: []string{"*.so"}})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/b.so", "v1")
		h.hears(settled, "+f/b.so", "f/b.so=v1")
		h.disk.replace("/plugins/b.so", "v2")
		h.hears(settled, "f/b.so=v2")
		h.disk.replace("/plugins/notes.txt", "x")
		h.disk.replace("/plugins/a.so", "v3")
		h.hears(settled, "f/a.so=v3")
	})
}

func TestAFileThatIsWrittenWhenItAppearsIsDiscoveredWhenItIsComplete(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/b.so", "half")
		closeIt := h.disk.open("/plugins/b.so")
		h.hears(settled)
		h.disk.write("/plugins/b.so", "whole")
		closeIt()
		h.hears(settled, "+f/b.so", "f/b.so=whole")
	})
}

func TestAFileThatIsRemovedIsReportedAfterTheQuietPeriodAndDisabled(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.remove("/plugins/a.so")
		h.hears(DefaultQuiet / 2)
		h.hears(settled, "-f/a.so", "!f/a.so")
		if on, _ := h.m.IsEnabled("f/a.so"); on {
			t.Error("it is enabled still")
		}
		h.disk.replace("/plugins/a.so", "v2")
		h.hears(settled, "+f/a.so", "f/a.so=v2")
	})
}

func TestAFileThatIsRemovedAndMadeAnewInTimeIsOnePlugin(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.remove("/plugins/a.so")
		h.hears(DefaultQuiet / 2)
		h.disk.replace("/plugins/a.so", "v2")
		h.hears(settled, "f/a.so=v2")
	})
}

func TestAFileThatGoesBeforeItIsCompleteIsNeverHeardOf(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/b.so", "half")
		h.hears(DefaultQuiet / 2)
		h.disk.remove("/plugins/b.so")
		h.hears(settled)
		if ids, _ := h.m.Plugins(); !slices.Equal(ids, []string{"f/a.so"}) {
			t.Errorf("enabled are %q", ids)
		}
	})
}

func TestPresentFilesAreDeliveredAsFirstVersionsIfTheHostAsksForThat(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{DeliverPresent: true})
		h.hears(settled, "+f/a.so", "f/a.so=v0")
	})
}

func TestEnableFolderReturnsWithThePresentFilesEnabled(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.mkdir("/plugins/fx")
		h.disk.replace("/plugins/fx/echo.so", "v0")
		h.folder(FolderOptions{Include: []string{"**/*.so"}})
		ids, err := h.m.Plugins()
		if slices.Sort(ids); err != nil || !slices.Equal(ids, []string{"f/a.so", "f/fx/echo.so"}) {
			t.Errorf("enabled are %q, %v", ids, err)
		}
	})
}

func TestDirectoriesBelowAFolderAreFollowedDownToTheDepth(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{Include: []string{"**/*.so"}, MaxDepth: 1})
		h.hears(settled, "?f/a.so")
		h.disk.mkdir("/plugins/fx")
		h.disk.replace("/plugins/fx/echo.so", "v1")
		h.hears(settled, "+f/fx/echo.so", "f/fx/echo.so=v1")
		h.disk.mkdir("/plugins/fx/deep")
		h.disk.replace("/plugins/fx/deep/x.so", "v1")
		h.hears(settled, "16:/plugins/fx/deep")
		h.disk.replace("/plugins/fx/more.so", "v1")
		h.hears(settled, "+f/fx/more.so", "f/fx/more.so=v1")
		h.disk.remove("/plugins/fx/deep/x.so")
		h.disk.remove("/plugins/fx/deep")
		h.disk.remove("/plugins/fx/echo.so")
		h.disk.remove("/plugins/fx/more.so")
		h.disk.remove("/plugins/fx")
		time.Sleep(settled)
		synctest.Wait()
		slices.Sort(h.told)
		h.hears(0, "!f/fx/echo.so", "!f/fx/more.so", "-f/fx/echo.so", "-f/fx/more.so")
		h.disk.mkdir("/plugins/fx")
		h.disk.replace("/plugins/fx/echo.so", "v2")
		h.hears(settled, "+f/fx/echo.so", "f/fx/echo.so=v2")
	})
}

func TestTemporaryFilesOfAFolderAreNeverPlugins(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		for _, name := range []string{"4913", "a.so~", ".a.so.swp", "#a.so#", "a.so.tmp", "a.so.dpkg-new"} {
			h.disk.replace("/plugins/"+name, "x")
		}
		h.hears(settled)
		must(t, h.m.EnableFolder("all", "/plugins", FolderOptions{AllNames: true, Include: []string{"*~"}}))
		h.hears(settled, "?all/a.so~")
	})
}

func TestTheHostsFunctionGivesIDsAndARenameKeepsTheID(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.replace("/plugins/echo-1.so", "v1")
		released := 0
		h.folder(FolderOptions{ID: func(path string) string {
			name, _, versioned := strings.Cut(path, "-")
			if !versioned {
				return ""
			}
			return name
		}, Release: func() { released++ }})
		h.hears(settled, "?echo")
		h.disk.remove("/plugins/echo-1.so")
		h.disk.replace("/plugins/echo-2.so", "v2")
		h.hears(settled, "echo=v2")
		h.mu.Lock()
		last := h.ev[len(h.ev)-1]
		h.mu.Unlock()
		if last.Path != "/plugins/echo-2.so" || last.Generation != 1 {
			t.Errorf("the change is %+v", last)
		}
		h.disk.replace("/plugins/echo-3.so", "v3") // beside the second one
		h.hears(settled, "17:/plugins/echo-3.so")
		h.disk.remove("/plugins/echo-2.so")
		h.hears(settled, "echo=v3")
		h.disk.replace("/plugins/echo-3.so", "v4")
		h.hears(settled, "echo=v4")
		was, err := h.m.DisableFolder("f")
		if !was || err != nil || released != 1 {
			t.Errorf("was enabled: %v, %v; released %d times", was, err, released)
		}
		h.hears(settled, "!echo")
	})
}

func TestAFolderThatIsMissingAtFirstIsFoundAndLostAndFoundAgain(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		err := h.m.EnableFolder("g", "/later/plugins", FolderOptions{})
		if !errors.Is(err, ErrFileNotFound) {
			t.Fatalf("a missing folder: %v", err)
		}
		must(t, h.m.EnableFolder("g", "/later/plugins", FolderOptions{AllowMissing: true}))
		h.hears(settled)
		h.disk.mkdir("/later")
		h.disk.mkdir("/later/plugins")
		h.disk.replace("/later/plugins/x.so", "v1")
		h.hears(settled, "19:/later/plugins", "+g/x.so", "g/x.so=v1")
		h.disk.recreate("/later/plugins", "/later/plugins/x.so", "v2")
		h.hears(settled, "g/x.so=v2")
		h.disk.remove("/later/plugins/x.so")
		h.disk.remove("/later/plugins")
		time.Sleep(settled)
		synctest.Wait()
		slices.Sort(h.told)
		h.hears(0, "!g/x.so", "-g/x.so", "18:/later/plugins")
	})
}

func TestAPluginThatTheHostDisablesComesBackOnlyWithAnotherFile(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		if was, err := h.m.Disable("f/a.so"); !was || err != nil {
			t.Fatal(was, err)
		}
		h.hears(settled, "!f/a.so")
		h.disk.replace("/plugins/a.so", "v1")
		must(t, h.m.CheckAllNow())
		h.hears(settled)
		h.disk.remove("/plugins/a.so")
		h.hears(settled)
		h.disk.replace("/plugins/a.so", "v2")
		h.hears(settled, "+f/a.so", "f/a.so=v2")
	})
}

func TestAPluginEnabledByHandIsFoundByAFolderToo(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.enable("by hand", pluginPath)
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/a.so", "v1")
		h.expect(settled, "by hand=v1", "f/a.so=v1")
		h.disk.remove("/plugins/a.so")
		h.expect(settled, "!f/a.so", "-by hand", "-f/a.so")
		h.disk.replace("/plugins/a.so", "v2")
		h.expect(settled, "+f/a.so", "by hand=v2", "f/a.so=v2")
	})
}

func TestTwoFoldersOnOneDirectoryBothFindItsPlugins(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		must(t, h.m.EnableFolder("g", "/plugins/", FolderOptions{}))
		h.hears(settled, "?f/a.so", "?g/a.so")
		h.disk.replace("/plugins/b.so", "v1")
		h.expect(settled, "+f/b.so", "+g/b.so", "f/b.so=v1", "g/b.so=v1")
		if was, _ := h.m.DisableFolder("f"); !was {
			t.Error("the folder was not enabled")
		}
		h.expect(settled, "!f/a.so", "!f/b.so")
		h.disk.replace("/plugins/c.so", "v1")
		h.hears(settled, "+g/c.so", "g/c.so=v1")
	})
}

func TestAFolderInsideAFolderFindsItsOwnPlugins(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.mkdir("/plugins/fx")
		h.folder(FolderOptions{Include: []string{"**"}})
		must(t, h.m.EnableFolder("g", "/plugins/fx", FolderOptions{}))
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/fx/x.so", "v1")
		h.expect(settled, "+f/fx/x.so", "+g/x.so", "f/fx/x.so=v1", "g/x.so=v1")
		if n, err := h.m.Clear(); n != 3 || err != nil {
			t.Errorf("%d plugins were enabled, %v", n, err)
		}
		h.expect(settled, "!f/a.so", "!f/fx/x.so", "!g/x.so")
		h.disk.replace("/plugins/fx/y.so", "v1")
		h.hears(settled)
		if ids, _ := h.m.Folders(); len(ids) > 0 {
			t.Errorf("enabled are the folders %q", ids)
		}
	})
}

func TestAFolderThatIsPausedDeliversWhatIsThereAfterwards(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{Paused: true})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/a.so", "v1")
		h.disk.replace("/plugins/b.so", "v1")
		h.hears(settled)
		if on, err := h.m.IsFolderPaused("f"); !on || err != nil {
			t.Error(on, err)
		}
		if on, err := h.m.IsPluginPaused("f/a.so"); on || err != nil {
			t.Error("the plugin is paused itself: ", on, err)
		}
		must(t, h.m.SetFolderPaused("f", false))
		h.expect(settled, "+f/b.so", "f/a.so=v1", "f/b.so=v1")
		must(t, h.m.SetFolderPaused("f", true))
		h.disk.remove("/plugins/a.so")
		h.hears(settled)
		must(t, h.m.SetFolderPaused("f", false))
		h.hears(settled, "-f/a.so", "!f/a.so")
	})
}

func TestAMarkerPausesAFolderWhileItIsThere(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{PauseMarker: ".building"})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/.building", "")
		h.disk.replace("/plugins/a.so", "v1")
		h.disk.replace("/plugins/b.so", "v1")
		h.hears(settled)
		h.disk.remove("/plugins/.building")
		h.expect(settled, "+f/b.so", "f/a.so=v1", "f/b.so=v1")
	})
}

func TestAMarkerOfAFolderIsNoPlugin(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.replace("/plugins/BUILDING", "")
		h.folder(FolderOptions{PauseMarker: "BUILDING"})
		h.disk.replace("/plugins/b.so", "v1")
		h.hears(settled, "?f/a.so")
		h.disk.remove("/plugins/BUILDING")
		h.hears(settled, "+f/b.so", "f/b.so=v1")
		h.disk.replace("/plugins/BUILDING", "")
		h.disk.remove("/plugins/BUILDING")
		h.hears(settled)
	})
}

func TestAMarkerHoldsWhileItsFolderCannotBeListed(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.replace("/plugins/.building", "")
		h.folder(FolderOptions{PauseMarker: ".building"})
		h.hears(settled, "?f/a.so")
		listable := func(on bool) {
			h.disk.mu.Lock()
			h.disk.nodes["/plugins"].mode000 = !on
			h.disk.mu.Unlock()
			must(t, h.m.CheckAllNow())
		}
		listable(false)
		h.hears(settled, "18:/plugins")
		if paused, err := h.m.IsFolderPaused("f"); !paused || err != nil {
			t.Errorf("paused: %v, %v", paused, err)
		}
		listable(true)
		h.hears(5*settled, "19:/plugins")
	})
}

func TestAMarkerOfAFolderThatIsNoneIsAnError(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		for name, want := range map[string]string{".": "is no name of a file", "..": "is no name of a file", "a/b": "is no name of a file",
			"a\x00b": "is no name of a file", strings.Repeat("x", maxNameLen+1): "longer than any file's name"} {
			err := h.m.EnableFolder("f", "/plugins", FolderOptions{PauseMarker: name})
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `folder "f"`) {
				t.Errorf("%.20q: %v, want %q", name, err, want)
			}
		}
	})
}

func TestAMarkerOfAFolderThatADeadBuildLeftIsReportedAndExplained(t *testing.T) {
	findIn(t, Options{MarkerAfter: time.Hour}, func(h *finder) {
		h.folder(FolderOptions{Include: []string{"**/*.so"}, PauseMarker: ".building"})
		h.disk.mkdir("/plugins/fx")
		h.disk.replace("/plugins/fx/c.so", "v1")
		h.hears(settled, "?f/a.so", "+f/fx/c.so", "f/fx/c.so=v1")
		h.disk.replace("/plugins/.building", "")
		h.disk.replace("/plugins/fx/c.so", "v2")
		h.hears(2*time.Hour, "20:/plugins/.building")
		explained, err := h.m.Explain("f/fx/c.so")
		if err != nil || !strings.Contains(explained, "pause marker:      the pause marker is there; changes wait until it is removed") {
			t.Errorf("%v: %s", err, explained)
		}
		h.disk.remove("/plugins/.building")
		h.hears(settled, "f/fx/c.so=v2")
		if _, err := h.m.DisableFolder("f"); err != nil {
			t.Fatal(err)
		}
		if len(h.m.markers) != 0 {
			t.Errorf("%d markers are left", len(h.m.markers))
		}
	})
}

func TestWhatIsLostInAnOverflowIsFoundInAFolder(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{Include: []string{"**/*.so"}})
		h.hears(settled, "?f/a.so")
		h.disk.overflow(func() {
			h.disk.replace("/plugins/b.so", "v1")
			h.disk.mkdir("/plugins/fx")
			h.disk.replace("/plugins/fx/c.so", "v1")
			h.disk.remove("/plugins/a.so")
		})
		h.expect(7*settled, "!f/a.so", "+f/b.so", "+f/fx/c.so", "-f/a.so", "1:", "f/b.so=v1", "f/fx/c.so=v1")
	})
}

func TestAFolderOnANetworkFileSystemIsPolled(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.mkdir("/net")
		must(t, h.m.EnableFolder("n", "/net", FolderOptions{}))
		h.hears(settled, "2:/net")
		h.disk.mute = true
		h.disk.replace("/net/x.so", "v1")
		h.hears(3*settled, "+n/x.so", "n/x.so=v1")
		h.disk.remove("/net/x.so")
		h.hears(3*settled, "-n/x.so", "!n/x.so")
	})
}

func TestAFolderHasNoMorePluginsThanItMay(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{MaxFiles: 2})
		h.hears(settled, "?f/a.so")
		for _, name := range []string{"b.so", "c.so", "d.so"} {
			h.disk.replace("/plugins/"+name, "v1")
		}
		enabled := func(want int) {
			t.Helper()
			time.Sleep(settled)
			synctest.Wait()
			ids, err := h.m.Plugins()
			if h.told = nil; err != nil || len(ids) != want || !slices.Contains(h.healthCodes(), HealthFolderLimit) {
				t.Errorf("enabled are %q, %v; health %v", ids, err, h.healthCodes())
			}
		}
		enabled(2)
		h.disk.remove("/plugins/a.so")
		enabled(2) // another one has its place
		ids, _ := h.m.Plugins()
		h.disk.replace(strings.Replace(ids[0], "f", "/plugins", 1), "v2")
		h.hears(settled, ids[0]+"=v2")
	})
}

func TestFilesThatAreNoPluginsDoNotCountAgainstTheLimit(t *testing.T) {
	accepted := func(path string) string {
		if strings.HasSuffix(path, ".so") {
			return path
		}
		return ""
	}
	findIn(t, Options{}, func(h *finder) {
		for i := range 20 {
			h.disk.replace(fmt.Sprintf("/plugins/%d.txt", i), "x")
		}
		h.folder(FolderOptions{MaxFiles: 2, ID: accepted})
		h.hears(settled, "?a.so")
		h.disk.replace("/plugins/z.so", "v1")
		h.hears(settled, "+z.so", "z.so=v1")
		h.disk.replace("/plugins/zz.so", "v1")
		h.hears(settled, "16:/plugins")
	})
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{MaxFiles: 2})
		h.hears(settled, "?f/a.so")
		for _, next := range []string{"b", "c", "d", "e"} {
			h.disk.replace("/plugins/"+next+".so", "v1")
			h.hears(settled, "+f/"+next+".so", "f/"+next+".so=v1")
			if _, err := h.m.Disable("f/" + next + ".so"); err != nil {
				t.Fatal(err)
			}
			h.hears(settled, "!f/"+next+".so")
		}
	})
}

func TestADirectoryThatCannotBeListedIsReportedAndTriedAgain(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.mu.Lock()
		h.disk.nodes["/plugins"].mode000 = true
		h.disk.mu.Unlock()
		must(t, h.m.CheckAllNow())
		h.hears(settled, "18:/plugins")
		h.disk.mu.Lock()
		h.disk.nodes["/plugins"].mode000 = false
		h.disk.put("/plugins/b.so", fsys.Regular, "v1")
		h.disk.mu.Unlock()
		h.expect(5*settled, "+f/b.so", "19:/plugins", "f/b.so=v1")
	})
}

func TestADirectoryAndAFIFOWithThePluginsNameAreNoPlugins(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{Include: []string{"*.so"}})
		h.hears(settled, "?f/a.so")
		h.disk.mkdir("/plugins/dir.so")
		h.disk.mu.Lock()
		h.disk.put("/plugins/fifo.so", fsys.FIFO, "")
		h.disk.notify("/plugins/fifo.so", fsnotify.Create)
		h.disk.mu.Unlock()
		h.hears(settled)
	})
}

func TestInsideItsCallbacksAFolderCanBePausedDisabledAndItsManagerClosed(t *testing.T) {
	for name, do := range map[string]func(h *finder){
		"disable": func(h *finder) { _, _ = h.m.DisableFolder("f") },
		"clear":   func(h *finder) { _, _ = h.m.Clear() },
		"close":   func(h *finder) { h.m.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			findIn(t, Options{}, func(h *finder) {
				h.during = func(e Event) {
					if e.Kind == Discovered {
						do(h)
					}
				}
				must(t, h.m.EnableFolder("f", "/plugins", FolderOptions{DeliverPresent: true, Release: func() {}}))
				want := []string{"+f/a.so", "!f/a.so"}
				if name == "close" {
					want = want[:1]
				}
				h.hears(settled, want...)
			})
		})
	}
	t.Run("pause", func(t *testing.T) {
		findIn(t, Options{}, func(h *finder) {
			h.disk.replace("/plugins/b.so", "v0")
			h.during = func(e Event) { must(t, h.m.SetFolderPaused("f", true)) }
			h.folder(FolderOptions{DeliverPresent: true})
			time.Sleep(settled)
			synctest.Wait()
			if len(h.told) != 2 {
				t.Errorf("heard %q", h.told)
			}
		})
	})
}

func TestANewFileThatIsNotClosedIsWaitedForWhereWritersAreUnknown(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.noProbe, h.disk.closes = true, true
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		h.disk.replace("/plugins/b.so", "")
		closeIt := h.disk.open("/plugins/b.so")
		h.disk.write("/plugins/b.so", "half") // before the folder is listed
		h.hears(settled)
		h.disk.write("/plugins/b.so", "whole")
		closeIt()
		h.hears(settled, "+f/b.so", "f/b.so=whole")
	})
}

func TestANewFileWhoseWritesMayBeLostIsWaitedForWhereWritersAreUnknown(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.noProbe, h.disk.closes = true, true
		h.folder(FolderOptions{})
		h.hears(settled, "?f/a.so")
		var closeIt func()
		h.disk.overflow(func() {
			h.disk.replace("/plugins/b.so", "")
			closeIt = h.disk.open("/plugins/b.so")
			h.disk.write("/plugins/b.so", "half")
		})
		h.expect(settled, "1:")
		h.disk.write("/plugins/b.so", "whole")
		closeIt()
		h.hears(settled, "+f/b.so", "f/b.so=whole")
	})
}

func TestADirectoryThatGoesTakesThoseBelowItAlong(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		for _, dir := range []string{"/plugins/fx", "/plugins/fx/deep", "/plugins/fxx"} {
			h.disk.mkdir(dir)
		}
		h.folder(FolderOptions{Include: []string{"**/*.so"}})
		h.hears(settled, "?f/a.so")
		h.disk.remove("/plugins/fx/deep")
		h.disk.remove("/plugins/fx")
		h.hears(settled)
		s, err := h.m.Stats()
		if err != nil || s.WatchedDirectories != 3 {
			t.Errorf("%d directories are watched, %v", s.WatchedDirectories, err)
		}
		h.disk.replace("/plugins/fxx/b.so", "v1")
		h.hears(settled, "+f/fxx/b.so", "f/fxx/b.so=v1")
	})
}

func TestNoiseInAFolderIsNotListed(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		lists := 0
		h.m.opts.disk = listedDisk{h.m.opts.disk, func() { lists++ }}
		h.folder(FolderOptions{Include: []string{"*.so"}})
		h.hears(settled, "?f/a.so")
		before := lists
		for i := range 1000 {
			h.disk.replace("/plugins/a.o", "x")
			h.disk.replace("/plugins/a.so.tmp", "x")
			h.disk.write("/plugins/a.so", fmt.Sprint("v", i)) // a plugin settles by itself
		}
		h.hears(settled, "f/a.so=v999")
		if lists != before {
			t.Errorf("the folder was listed %d times", lists-before)
		}
		for i := range 1000 { // names that may be plugins
			h.disk.replace(fmt.Sprint("/plugins/", i, ".so"), "x")
			h.disk.remove(fmt.Sprint("/plugins/", i, ".so"))
			synctest.Wait()
		}
		h.hears(settled)
		if n := lists - before; n > 10 {
			t.Errorf("a storm of names was listed %d times", n)
		}
	})
}

// listedDisk counts listings.
type listedDisk struct {
	fsys.Disk
	lists func()
}

func (d listedDisk) List(dir string, visit func(string, fsys.Kind) bool) error {
	d.lists()
	return d.Disk.List(dir, visit)
}

func TestARenameOfAFileThatTheHostHasNotHeardOfIsAFirstVersion(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.folder(FolderOptions{ID: func(path string) string {
			name, _, _ := strings.Cut(path, "-")
			return name
		}})
		h.hears(settled, "?a.so")
		h.disk.replace("/plugins/echo-1.so", "half")
		closeIt := h.disk.open("/plugins/echo-1.so")
		h.hears(settled)
		must(t, h.m.SetPluginPaused("echo", true))
		h.disk.remove("/plugins/echo-1.so")
		h.disk.replace("/plugins/echo-2.so", "whole")
		closeIt()
		h.hears(settled)
		must(t, h.m.SetPluginPaused("echo", false)) // the pause goes along
		h.hears(settled, "+echo", "echo=whole")
	})
}

func TestAFolderThatIsLookedAtWhileItIsMissingIsReportedMissing(t *testing.T) {
	findIn(t, Options{}, func(h *finder) {
		h.disk.mkdir("/gone")
		must(t, h.m.EnableFolder("g", "/gone", FolderOptions{}))
		h.disk.remove("/gone")
		for range 5 {
			time.Sleep(DefaultQuiet / 8)
			must(t, h.m.CheckAllNow())
		}
		h.hears(settled, "18:/gone")
		h.disk.mkdir("/gone")
		h.hears(settled, "19:/gone")
	})
}
