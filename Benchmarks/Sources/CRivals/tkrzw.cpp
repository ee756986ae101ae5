// Tkrzw: a hash table in a mapped file, through its C++ interface: the one in C copies each value once more.

#include <tkrzw_dbm_hash.h>
#include <tkrzw_file_mmap.h>

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "rivals.h"

namespace {

struct Session {
  tkrzw::HashDBM *database;
  crv_mode mode;
};

crv_answer fail(const char *call, const tkrzw::Status &status) {
  return crv_fail("%s: %s", call, tkrzw::ToString(status).c_str());
}

void version(char *text, size_t capacity) { (void)std::snprintf(text, capacity, "%s", tkrzw::PACKAGE_VERSION); }

crv_answer open(const crv_options *options, void **opened) {
  auto database = std::make_unique<tkrzw::HashDBM>(std::make_unique<tkrzw::MemoryMapParallelFile>());
  tkrzw::HashDBM::TuningParameters tuning;
  tuning.num_buckets = static_cast<int64_t>(options->records * 2);
  tuning.cache_buckets = 1;
  // A record is read at once: value, key, and what comes with them.
  tuning.min_read_size = static_cast<int32_t>(options->value_bytes + crv_key_bytes + 16);
  tkrzw::Status status = database->OpenAdvanced(std::string(options->directory) + "/tkrzw.tkh", true,
                                                options->create ? tkrzw::File::OPEN_TRUNCATE : tkrzw::File::OPEN_NO_CREATE,
                                                tuning);
  if (!status.IsOK()) {
    return fail("HashDBM::OpenAdvanced", status);
  }
  *opened = database.release();
  return crv_done;
}

crv_answer settle(void *opaque) {
  tkrzw::Status status = static_cast<tkrzw::HashDBM *>(opaque)->Synchronize(true);
  return status.IsOK() ? crv_done : fail("HashDBM::Synchronize", status);
}

crv_answer close(void *opaque) {
  std::unique_ptr<tkrzw::HashDBM> database(static_cast<tkrzw::HashDBM *>(opaque));
  tkrzw::Status status = database->Close();
  return status.IsOK() ? crv_done : fail("HashDBM::Close", status);
}

crv_answer begin(void *opaque, void **begun) {
  auto *session = new (std::nothrow) Session{static_cast<tkrzw::HashDBM *>(opaque), crv_durable};
  if (session == nullptr) {
    return crv_fail("no memory");
  }
  *begun = session;
  return crv_done;
}

crv_answer set_mode(void *opaque, crv_mode mode) {
  auto *session = static_cast<Session *>(opaque);
  session->mode = mode;
  return mode == crv_durable ? settle(session->database) : crv_done;
}

crv_answer end(void *opaque) {
  delete static_cast<Session *>(opaque);
  return crv_done;
}

std::string_view key_of(const void *key) { return {static_cast<const char *>(key), crv_key_bytes}; }

crv_answer put(void *opaque, const void *key, const void *value, size_t bytes) {
  auto *session = static_cast<Session *>(opaque);
  tkrzw::Status status = session->database->Set(key_of(key), {static_cast<const char *>(value), bytes});
  if (!status.IsOK()) {
    return fail("HashDBM::Set", status);
  }
  return session->mode == crv_durable ? settle(session->database) : crv_done;
}

// Copies a value from where it lies to the caller's buffer.
class Reader final : public tkrzw::DBM::RecordProcessor {
 public:
  Reader(void *value, size_t capacity, size_t *bytes) : value_(value), capacity_(capacity), bytes_(bytes) {}

  std::string_view ProcessFull(std::string_view, std::string_view found) override {
    answer = crv_copy(found.data(), found.size(), value_, capacity_, bytes_);
    return NOOP;
  }

  // Stays so where there is no record.
  crv_answer answer = crv_absent;

 private:
  void *value_;
  size_t capacity_;
  size_t *bytes_;
};

crv_answer get(void *opaque, const void *key, void *value, size_t capacity, size_t *bytes) {
  Reader reader(value, capacity, bytes);
  tkrzw::Status status = static_cast<Session *>(opaque)->database->Process(key_of(key), &reader, false);
  return status.IsOK() ? reader.answer : fail("HashDBM::Process", status);
}

crv_answer remove(void *opaque, const void *key) {
  auto *session = static_cast<Session *>(opaque);
  tkrzw::Status status = session->database->Remove(key_of(key));
  if (!status.IsOK()) {
    return status == tkrzw::Status::NOT_FOUND_ERROR ? crv_absent : fail("HashDBM::Remove", status);
  }
  return session->mode == crv_durable ? settle(session->database) : crv_done;
}

}  // namespace

extern "C" const crv_rival crv_tkrzw = {
    .identifier = "tkrzw",
    .name = "Tkrzw",
    .settings =
        "HashDBM in a MemoryMapParallelFile, the default; updates in place, the default (tkrzw_dbm_hash.h)\n"
        "num_buckets twice the number of records (tkrzw_dbm_hash.h, TuningParameters: more than there are records)\n"
        "cache_buckets, and min_read_size a whole record (the same place)\n"
        "gets by Process, which reads the value where it lies (tkrzw_dbm.h)\n"
        "durable: Synchronize(hard) after each write (tkrzw_dbm_hash.h); updates in place, so that a power cut in the middle "
        "of a write may still tear a record\n"
        "fastest: nothing is synchronised\n",
    .ordered = false,
    .version = version,
    .open = open,
    .settle = settle,
    .close = close,
    .begin = begin,
    .set_mode = set_mode,
    .end = end,
    .put = put,
    .get = get,
    .remove = remove,
    .scan = nullptr,
};
