// SPDX-License-Identifier: MIT

// Package record remembers across restarts which version of a plugin was accepted
// last: one small file for each plugin, in a directory that is the user's alone.
//
// Who reads an entry to replace it holds [Lock] meanwhile.
//
// [Read] and [Write] fail rather than forget: a file that is damaged is an error, and
// a file is replaced in one step. They may block for as long as the file system does.
package record
