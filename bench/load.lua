-- Asks the paths of a file: wrk -s load.lua URL -- FILE MODE CONNECTIONS PAUSE_MS
-- MODE "once": each path once, then this thread stops and says so; "again": round and round.
-- Every thread takes its share of the file. Time is that of the answers alone, by thread.
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds, nanoseconds; } moment;
int clock_gettime(int which, moment *now);
]]
local MONOTONIC = 1
local threads = {}

local function now()
  local moment = ffi.new("moment")
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  local share, line_number = tonumber(arguments[4]), 0
  asked, sent, started, seconds, answered = {}, 0, 0, 0, 0
  for line in io.lines(arguments[1]) do
    if line_number % share == number then
      table.insert(asked, wrk.format("GET", line))
    end
    line_number = line_number + 1
  end
  once = arguments[2] == "once"
  open = tonumber(arguments[3])
  local pause = tonumber(arguments[5])
  if pause > 0 then
    function delay() return pause end
    function response(status)
      if status == 503 then refused = (refused or 0) + 1 end
    end
  end
end

function request()
  if sent == 0 then started = now() end
  sent = sent + 1
  -- each of the open connections sends its first before anything is answered
  if once and sent == #asked + open then
    answered = #asked
    seconds = now() - started
    wrk.thread:stop()
    print("asked all")
    io.stdout:flush()
  end
  return asked[(sent - 1) % #asked + 1]
end

function done(summary, latency)
  local rate, answered, refused = 0, 0, 0
  for _, thread in ipairs(threads) do
    if thread:get("seconds") > 0 then
      rate = rate + thread:get("answered") / thread:get("seconds")
      answered = answered + thread:get("answered")
    end
    refused = refused + (thread:get("refused") or 0)
  end
  if answered == 0 then
    answered, rate = summary.requests, summary.requests / summary.duration * 1e6
  end
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "per_s": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "max_ms": %.2f, ' ..
    '"bytes": %d, "not_ok": %d, "refused": %d, "broken": %d}',
    summary.requests, rate, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, summary.bytes, errors.status, refused,
    errors.connect + errors.read + errors.write + errors.timeout))
end
