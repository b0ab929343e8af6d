// SPDX-License-Identifier: MIT

// Package settle decides when a change of one plugin's file is complete, and whether it
// is new: quiet period, maximum delay, writers, what the host knows, what was rejected. It
// is a pure state machine: it reads no clock and no disk, and starts nothing.
//
// A [Machine] is idle until a [Notification]. Then it settles: it says when the
// file is to be checked ([Machine.Due]). A check is an [Observation], which is what
// stat said, and, if the [Decision] is [Probe], a [ProbeResult], which is what the
// file itself said. Each of them leads to a decision: wait, deliver, reject and so on.
//
// An engine that checks files elsewhere drops the answer to a check that began before a
// notification; the next check is due all the same. Whether a process writes the file
// has three answers: where the system does not say, notifications of writes and closes
// decide, and two checks that agree.
//
// machine.go has the steps, notification.go what a notification means, observation.go how what was found
// compares with what is known, rejected versions included; held.go is about writers that stay, and version.go
// says in what two versions differ. The rules are written as stories in testdata, one or
// more for each sentence of testdata/sentences. schedule_test.go lets something else
// happen at each point of each story.
package settle
