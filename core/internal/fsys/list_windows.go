// SPDX-License-Identifier: MIT

package fsys

const directoryOnly = 0
