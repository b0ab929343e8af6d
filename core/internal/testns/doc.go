// SPDX-License-Identifier: MIT

// Package testns runs tests in a world of their own. Only tests import it.
//
// Such a test runs itself once more in a child process, as root of a new user and mount
// namespace of Linux. There limits can be lowered, owners changed and file systems
// mounted without touching anybody else. Where the system allows no user namespaces, the
// test says so and is not run.
package testns
