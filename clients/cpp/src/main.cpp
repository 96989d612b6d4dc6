// The command line: rostra-client COMMAND [options].
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "commands.h"

namespace {

const char USAGE[] = R"(usage: rostra-client COMMAND [options]

  chat       stream an answer
  tools      have a tool called, and its result read
  cancel     cancel a stream in the middle, and see that the worker stops
  deadline   let a deadline end a stream
  errors     make mistakes, and read what the errors say
  health     gRPC health checks
  embed      turn texts into vectors
  all        all of these

  --address HOST:PORT        a worker with a generative model (default 127.0.0.1:50051)
  --embed-address HOST:PORT  a worker with an embedding model, for embed and all
  --model NAME               of the generative worker; default: its only one
  --prompt TEXT              for chat
)";

int usage() {
  std::cerr << USAGE;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {
      {"--address", "127.0.0.1:50051"},
      {"--embed-address", ""},
      {"--model", ""},
      {"--prompt", "What is the capital of France?"}};
  std::string command;
  for (int index = 1; index < argc; ++index) {
    const std::string word = argv[index];
    if (const auto option = options.find(word); option != options.end()) {
      if (++index == argc) return usage();
      option->second = argv[index];
    } else if (command.empty() && word.rfind("-", 0) != 0) {
      command = word;
    } else {
      return usage();
    }
  }
  const auto& model = options["--model"];
  const std::vector<std::pair<std::string, std::function<void(Worker&)>>> commands = {
      {"chat", [&](Worker& worker) { chat(worker, model, options["--prompt"]); }},
      {"tools", [&](Worker& worker) { tools(worker, model); }},
      {"cancel", [&](Worker& worker) { cancel(worker, model); }},
      {"deadline", [&](Worker& worker) { deadline(worker, model); }},
      {"errors", [&](Worker& worker) { errors(worker, model); }},
      {"health", health},
      {"embed", embed},
  };
  bool known = false;
  for (const auto& [name, run] : commands) {
    if (command != name && command != "all") continue;
    known = true;
    if (name == "embed" && options["--embed-address"].empty()) {
      std::cerr << command << " needs --embed-address\n";
      return 2;
    }
    std::cout << "--- " << name << std::endl;
    try {
      Worker worker(options[name == "embed" ? "--embed-address" : "--address"]);
      run(worker);
    } catch (const Surprise& surprise) {
      std::cerr << name << ": " << surprise.what() << std::endl;
      return 1;
    }
  }
  return known ? 0 : usage();
}
