// SPDX-License-Identifier: MIT
// What host and plugin agree on.
#pragma once

#include <QtPlugin>

class Answer {
public:
    virtual ~Answer() = default;
    virtual int answer() const = 0;
};

#define Answer_iid "org.qtforge.hotreload.example.Answer/1.0"
Q_DECLARE_INTERFACE(Answer, Answer_iid)
