// One function a command. Each prints what it saw, and throws Surprise.
#pragma once

#include <string>

#include "worker.h"

// A streamed chat.
void chat(Worker& worker, const std::string& model, const std::string& prompt);

// A model that has to call a tool, gets its result, and answers.
void tools(Worker& worker, const std::string& model);

// Cancelling the RPC is the abort: the engine stops at once.
void cancel(Worker& worker, const std::string& model);

// A deadline ends a request wherever it is: in the queue, or while it runs.
void deadline(Worker& worker, const std::string& model);

// Errors say for programs what is wrong: a reason, the fields, and numbers where they help.
void errors(Worker& worker, const std::string& model);

// Health checks by gRPC's own protocol, as load balancers and orchestrators make them.
void health(Worker& worker);

// Texts to vectors.
void embed(Worker& worker);
