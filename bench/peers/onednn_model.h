// The oneDNN peer's model: sizes, weights, a run.
#ifndef CONVLSTM_BENCH_PEERS_ONEDNN_MODEL_H_
#define CONVLSTM_BENCH_PEERS_ONEDNN_MODEL_H_

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using Floats = std::vector<float>;

struct Shape {
  int batch, time, height, width, kernel, input_dim;
  std::vector<int> hidden_dim;
  int pixels() const { return height * width; }
};

inline Shape ReadShape(std::istringstream& words) {
  Shape shape;
  std::string hidden;
  words >> shape.batch >> shape.time >> shape.height >> shape.width >> shape.kernel >>
      shape.input_dim;
  while (std::getline(words >> std::ws, hidden, ',')) shape.hidden_dim.push_back(std::stoi(hidden));
  return shape;
}

inline Floats ReadFloats(const std::string& path, size_t count) {
  Floats values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * 4));
  if (!file) throw std::runtime_error("cannot read " + path);
  return values;
}

class Model {
 public:
  virtual ~Model() = default;
  virtual void Run() = 0;
  Floats output;
  std::string implementation;
};

#endif  // CONVLSTM_BENCH_PEERS_ONEDNN_MODEL_H_
