// SPDX-License-Identifier: MIT

// Package stories tells the stories of a testdata folder. Only tests import it.
//
// A file "sentences" lists what a user relies on, a sentence a line. Each story names
// the sentences that it shows. A sentence without a story fails the test, unless it is
// marked with the Go test that shows it; a mark that is no longer true fails, too.
//
// The files *.txt hold the stories: commands and what they print, as package datadriven
// has them. A README beside them explains every command. A package has its own commands.
package stories
