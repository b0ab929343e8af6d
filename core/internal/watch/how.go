// SPDX-License-Identifier: MIT

package watch

// How says how a leaf's path is watched, for people.
type How struct {
	State HowState
	Why   string // it is polled, or not watched yet
}

// HowState is how a path is watched.
type HowState uint8

// The ways.
const (
	HowPending  HowState = iota // not yet
	HowNotified                 // the system notifies of changes
	HowPolled                   // a directory on its path chain is polled
)

// How says how a leaf's path is watched.
func (s *Set) How(l *Leaf) How {
	if f := s.mounted[l]; f != nil && f.state.isPolled() {
		return How{HowPolled, s.whyPolled(f.path)}
	}
	for _, f := range []*Folder{l.folder, s.last(l)} {
		if f.dir == nil {
			return How{HowPending, "its directory has not been found out yet: " + f.Dir()}
		}
		polled := ""
		s.chain(f, func(d *dir) {
			if d.state.isPolled() && polled == "" {
				polled = d.path()
			}
		})
		if polled != "" {
			return How{HowPolled, s.whyPolled(polled)}
		}
	}
	if f := s.last(l); !f.reached {
		return How{HowNotified, "the directory does not exist: " + f.Dir()}
	}
	return How{State: HowNotified}
}

// whyPolled says why what stands at a path is polled. It names the path.
func (s *Set) whyPolled(path string) string {
	if s.polling {
		return "polling is forced"
	}
	if why, known := s.reported[path]; known {
		return path + ": " + why
	}
	return path + ": it was gone when it was to be watched"
}
