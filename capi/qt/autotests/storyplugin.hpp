// SPDX-License-Identifier: MIT
// What tst_reload and its plugin know of each other. The program defines these functions.
#pragma once

/** A step of the version that was loaded from @p path; it throws if the story wants it to fail. */
extern "C" void story_step(const char* path, const char* step);
extern "C" bool story_has_state(const char* path);
