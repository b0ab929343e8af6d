// SPDX-License-Identifier: MIT

package reload

import "time"

// versionState is how far a version has come.
type versionState uint8

const (
	absent versionState = iota // not loaded, or unloaded
	loaded
	initialised
)

// version is a version that is loaded, was, or is to be.
type version struct {
	Version
	p         *plugin
	state     versionState
	hooks     Hooks
	task      *task // that runs in it: plugin code
	idle      *task // that waits for the end of its calls
	isIdle    bool  // no call is under way, and none can begin
	needs     []*version
	users     int // versions that were initialised with it
	activated bool
	prepared  bool
	retiring  bool
	retryAt   time.Time // of its end
	pause     time.Duration
}

// candidate is a version that waits to be exchanged.
type candidate struct {
	generation   uint64
	back         bool
	withoutState bool
	attempt      int
	pause        time.Duration
	notBefore    time.Time
	blocked      string    // why it waits; "" if it does not
	until        []*plugin // a version offered for one of these ends that
}

// plugin is the state of one plugin.
type plugin struct {
	Plugin
	order      uint64 // of its addition
	dependents []*plugin
	set        *set
	active     *version // that answers; a plan may be holding its callers
	pending    *candidate
	plan       *plan
	leaving    bool

	outcome     Outcome // the last one that was no note
	outcomeTime time.Time

	// When nothing answers that should:
	down      string
	last      *version // that is to answer again
	saved     *savedState
	notes     []string // for when a version answers again
	recoverAt time.Time
	pause     time.Duration
}

// savedState is the state of a version that has stopped.
type savedState struct {
	state any
	lost  bool // the version has exited since: it needs its state again
}

// set is the state of one set.
type set struct {
	Set
	members []*plugin
	since   time.Time // when the first version came that waits
	key     string    // the versions that were last checked
	reason  string    // what the check said of them
	running uint64    // the check that has not answered
	asked   string    // the versions that it is about
	said    bool      // that they do not fit
	agreed  bool      // to be exchanged now
}
