// SPDX-License-Identifier: MIT
// A program in which QtForge and libhotreload meet: each part says what is wrong, or nothing.
#pragma once

#include <string>

std::string use_theirs(const std::string& file);
std::string use_ours(const std::string& file);
