// SPDX-License-Identifier: MIT

// Package image answers questions about a plugin's file: is it a complete ELF, PE or
// Mach-O image for this machine, which names does it export, where does it have
// libraries looked for, and what keeps it in memory?
//
// Complete is what the format's own headers allow to say: everything that they
// announce lies within the file. A file that was cut off anywhere, or is still
// being written, is not complete.
//
// The file may come from somebody who means harm. Nothing that it says of itself
// is believed before it was compared with the file's size, and what is read of
// one file is bounded, in memory and in total (see file).
package image
