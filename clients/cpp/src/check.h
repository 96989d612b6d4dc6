// What a command saw that it must not see. The client prints it and exits with 1.
#pragma once

#include <stdexcept>
#include <string>

struct Surprise : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void expect(bool condition, const std::string& what) {
  if (!condition) throw Surprise(what);
}
