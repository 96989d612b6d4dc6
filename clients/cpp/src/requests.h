// The requests that several commands make.
#pragma once

#include <string>

#include "rostra/v1/chat.pb.h"

// One question of a user.
rostra::v1::ChatRequest question(const std::string& model, const std::string& text);

// Goes on until the context is full, so that something else has to end it.
rostra::v1::ChatRequest endless(const std::string& model);
