#include <cmath>
#include <iostream>
#include <numeric>
#include <vector>

#include "check.h"
#include "commands.h"
#include "refusal.h"

namespace {

using Vector = std::vector<float>;

const std::vector<std::string> TEXTS = {"the quick brown fox", "a lazy dog", "the quick brown fox"};

// Of the values that both have.
float dot(const Vector& a, const Vector& b) {
  const auto size = std::min(a.size(), b.size());
  return std::inner_product(a.begin(), a.begin() + size, b.begin(), 0.0f);
}

// `size` is what each vector must have; a size that is asked for is sent as `dimensions`.
std::vector<Vector> embed_texts(Worker& worker, unsigned size, bool ask_for_size) {
  rostra::v1::EmbedRequest request;
  for (const auto& text : TEXTS) request.add_inputs()->set_text(text);
  if (ask_for_size) request.set_dimensions(size);
  grpc::ClientContext context;
  context.set_deadline(soon());
  rostra::v1::EmbedResponse response;
  must_be_ok(worker.inference->Embed(&context, request, &response));
  std::vector<Vector> vectors;
  for (const auto& embedding : response.embeddings())
    vectors.emplace_back(embedding.values().begin(), embedding.values().end());
  expect(vectors.size() == TEXTS.size(), "there is not one vector for each text");
  for (const auto& vector : vectors) {
    expect(vector.size() == size, "a vector of " + std::to_string(vector.size()) + " values");
    expect(std::abs(dot(vector, vector) - 1) < 1e-3, "a vector that is not of unit length");
  }
  std::cout << "vectors    " << vectors.size() << " of " << size << ", "
            << response.usage().prompt_tokens() << " tokens\n";
  return vectors;
}

}  // namespace

void embed(Worker& worker) {
  const auto info = worker.model("");
  expect(info.has_embedding_size(), "the model " + info.name() + " makes no embeddings");
  const auto whole = embed_texts(worker, info.embedding_size(), false);
  const auto cut = embed_texts(worker, info.embedding_size() / 2, true);
  for (std::size_t index = 0; index < TEXTS.size(); ++index)
    std::cout << dot(whole[0], whole[index]) << "  " << TEXTS[index] << std::endl;
  expect(dot(whole[0], whole[2]) > 0.9999, "equal texts have different vectors");
  expect(dot(whole[0], whole[1]) < 0.9999, "different texts have equal vectors");
  expect(dot(cut[0], whole[0]) > 0, "a shorter vector points elsewhere");
}
