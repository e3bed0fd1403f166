#include "core/buffer.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/system.h"

namespace convlstm {

TEST_SUITE("core") {
  TEST_CASE("blocks are aligned, writable and disjoint") {
    std::vector<Buffer> buffers;
    for (const size_t bytes : {0, 1, 63, 64, 4097, (512 << 10) - 65, (512 << 10) - 64, 1 << 20,
                               (2 << 20) - 64, (2 << 20) - 63, 5 << 20}) {
      buffers.push_back(Buffer::Allocate(bytes));
      Buffer& buffer = buffers.back();
      CHECK(bool(buffer));
      CHECK(buffer.bytes() == bytes);
      CHECK(reinterpret_cast<uintptr_t>(buffer.as<char>()) % kBufferAlignment == 0);
      std::memset(buffer.as<char>(), static_cast<int>(buffers.size()), bytes);
    }
    for (size_t k = 0; k < buffers.size(); ++k) {
      for (size_t i = 0; i < buffers[k].bytes(); i += 61) {
        REQUIRE(buffers[k].as<char>()[i] == static_cast<char>(k + 1));
      }
    }
  }

  TEST_CASE("a freed block is reused for the next request of its size") {
    EmptyBufferCache();
    for (const size_t bytes : {1000, 3 << 20}) {
      const void* first;
      {
        const Buffer buffer = Buffer::Allocate(bytes);
        first = buffer.as<void>();
      }
      const Buffer again = Buffer::Allocate(bytes - 1);
      CHECK(again.as<void>() == first);
    }
  }

  TEST_CASE("moving transfers ownership, and statistics count bytes") {
    EmptyBufferCache();
    const BufferStatistics before = GetBufferStatistics();
    CHECK(before.cached_bytes == 0);
    {
      Buffer a = Buffer::Allocate(100000);
      const size_t live = GetBufferStatistics().live_bytes - before.live_bytes;
      CHECK(live >= 100000 + kBufferAlignment);
      CHECK(live <= (100000 + kBufferAlignment) * 17 / 16 + kBufferAlignment);
      void* data = a.as<void>();
      Buffer b = std::move(a);
      CHECK(b.as<void>() == data);
      a = std::move(b);
      CHECK(a.as<void>() == data);
      CHECK(GetBufferStatistics().live_bytes == before.live_bytes + live);
    }
    CHECK(GetBufferStatistics().live_bytes == before.live_bytes);
    CHECK(GetBufferStatistics().cached_bytes > 100000);
    EmptyBufferCache();
    CHECK(GetBufferStatistics().cached_bytes == 0);
  }

  TEST_CASE("the cache is bounded, and its oldest blocks are freed first") {
    EmptyBufferCache();
    constexpr size_t kBlockBytes = size_t{68} << 20;
    Buffer::Allocate(777);
    {
      std::vector<Buffer> buffers;  // never touched, so that they take no memory
      for (int k = 0; k < 20; ++k) buffers.push_back(Buffer::Allocate(kBlockBytes - 64));
    }
    const size_t cached = GetBufferStatistics().cached_bytes;
    CHECK(cached > 0);
    CHECK(cached <= size_t{1} << 30);
    CHECK(cached <= MemoryLimit() / 4);
    CHECK(cached % (64 << 10) == 0);  // without the 777 bytes, which were freed first
    EmptyBufferCache();
    CHECK(GetBufferStatistics().cached_bytes == 0);
  }

  TEST_CASE("large blocks of different sizes share memory") {
    EmptyBufferCache();
    const size_t before = GetBufferStatistics().live_bytes;
    constexpr size_t kMiB = size_t{1} << 20;
    std::vector<Buffer> buffers;
    for (const size_t bytes : {5 * kMiB, 3 * kMiB, 16 * kMiB}) {
      buffers.push_back(Buffer::Allocate(bytes));
      std::memset(buffers.back().as<char>(), 1, bytes);
    }
    const char* const first = buffers[2].as<char>();
    buffers.clear();
    const size_t cached = GetBufferStatistics().cached_bytes;
    CHECK(cached >= 24 * kMiB);
    // Both fit into the largest block: no memory is added.
    const Buffer a = Buffer::Allocate(7 * kMiB), b = Buffer::Allocate(8 * kMiB);
    const BufferStatistics now = GetBufferStatistics();
    CHECK(now.live_bytes - before + now.cached_bytes == cached);
    std::memset(a.as<char>(), 2, a.bytes());
    std::memset(b.as<char>(), 3, b.bytes());
    CHECK(a.as<char>()[a.bytes() - 1] == 2);
    CHECK(b.as<char>()[0] == 3);
    CHECK((a.as<char>() == first || b.as<char>() == first));
  }

  TEST_CASE("memory never exceeds the peak in use by more than the rounding of one block") {
    EmptyBufferCache();
    const size_t before = GetBufferStatistics().live_bytes;
    constexpr size_t kMiB = size_t{1} << 20;
    for (size_t size = kMiB; size < 40 * kMiB; size += size / 3) {
      Buffer::Allocate(size);
      const BufferStatistics now = GetBufferStatistics();
      CHECK(now.live_bytes + now.cached_bytes - before <= size + 2 * kMiB);
    }
  }

  TEST_CASE("out of memory is an error with the number of bytes") {
    std::string message;
    try {
      Buffer::Allocate(size_t{1} << 45);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kOutOfMemory);
      message = error.what();
    }
    CHECK(message.find(std::to_string(size_t{1} << 45)) != std::string::npos);
    CHECK(message.find("bytes live") != std::string::npos);
    CHECK_THROWS_AS(Buffer::Allocate(SIZE_MAX), Error);
    CHECK_THROWS_AS(Buffer::Allocate(SIZE_MAX - 63), Error);
  }

  TEST_CASE("threads may allocate, pass on and free") {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        std::vector<Buffer> kept(8);
        for (size_t k = 0; k < 5000; ++k) {
          Buffer buffer = Buffer::Allocate(64 + (k * 7919 + t) % 30000);
          buffer.as<char>()[0] = static_cast<char>(t);
          kept[k % kept.size()] = std::move(buffer);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(GetBufferStatistics().cached_bytes > 0);
  }
}

}  // namespace convlstm
