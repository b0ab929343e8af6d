// SPDX-License-Identifier: MIT

package watch

import "slices"

// Listener is asked about names that appear in a folder or go from it: it may be necessary
// to list the folder then.
type Listener interface{ Concerns(name string) bool }

// listening is what is kept of a folder with listeners.
type listening struct {
	all      []Listener
	stirred  []Listener       // that a name concerned
	appeared map[string]Signs // these names, and what was noted of them since
}

// maxAppeared is how many names that have appeared are remembered, for each folder.
const maxAppeared = 10_000

// Listen begins to watch a folder for what appears in it. Its walk is made if it is new.
func (s *Set) Listen(f *Folder, l Listener) {
	s.hold(f)
	x := f.extra()
	if x.listening == nil {
		x.listening = new(listening)
	}
	x.listening.all = append(x.listening.all, l)
}

// Unlisten ends what Listen began.
func (s *Set) Unlisten(f *Folder, l Listener) {
	x := f.rare.listening
	x.all, x.stirred = without(x.all, l), without(x.stirred, l)
	if len(x.all) == 0 {
		f.rare.listening = nil
	}
	s.releaseFolder(f)
}

// Listeners are those of a folder.
func (f *Folder) Listeners() []Listener {
	if f.rare == nil || f.rare.listening == nil {
		return nil
	}
	return f.rare.listening.all
}

// stir passes a notification about a name in a folder on to its listeners. What is written
// under a name that has just appeared is remembered until there is a leaf for it.
func (s *Set) stir(f *Folder, name string, signs Signs) {
	if f.rare == nil || f.rare.listening == nil {
		return
	}
	x := f.rare.listening
	if signs&Replaced == 0 {
		if _, known := x.appeared[name]; known {
			x.appeared[name] = x.appeared[name].and(signs)
		}
		return
	}
	concerns := false
	for _, l := range x.all {
		if !l.Concerns(name) {
			continue
		}
		concerns = true
		if slices.Contains(x.stirred, l) {
			continue
		}
		if len(x.stirred) == 0 {
			s.stirred = append(s.stirred, f)
		}
		x.stirred = append(x.stirred, l)
	}
	if concerns && len(x.appeared) < maxAppeared {
		if x.appeared == nil {
			x.appeared = map[string]Signs{}
		}
		x.appeared[name] = signs &^ Replaced
	}
}

// Appeared is what was noted of a name since it appeared in a folder.
func (f *Folder) Appeared(name string) Signs {
	if f.rare == nil || f.rare.listening == nil {
		return 0
	}
	return f.rare.listening.appeared[name]
}

// ForgetAppeared forgets the names that have appeared: they are leaves by now, or of no
// interest.
func (f *Folder) ForgetAppeared() {
	if f.rare != nil && f.rare.listening != nil {
		f.rare.listening.appeared = nil
	}
}

// Stirred visits the listeners that a name concerned since the last time.
func (s *Set) Stirred(visit func(Listener)) {
	folders := s.stirred
	s.stirred = nil
	for _, f := range folders {
		if f.rare == nil || f.rare.listening == nil {
			continue
		}
		stirred := f.rare.listening.stirred
		f.rare.listening.stirred = nil
		for _, l := range stirred {
			visit(l)
		}
	}
}
