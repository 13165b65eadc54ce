"""The Lua scripts: what has to be done in one step on the server.

A hit needs none of them. Each gets the keys of one bucket; the series of a region and their names
are derived from the region's key, so that they are in the same bucket and the same slot.

Whatever is found under a key that has the wrong type is removed and written anew.
"""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# `life` is a time to live in milliseconds, or empty for what never expires.
_COMMON: Final = """
local function typed(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
    redis.call('DEL', key)
    reply = redis.call(command, key, ...)
  end
  return reply
end

local function series(region, name)
  return 'cachu:s:' .. string.sub(region, 9) .. ':' .. name
end

local function names(region)
  return 'cachu:n:' .. string.sub(region, 9)
end

local function tag_of(name)
  return string.sub(name, 26)
end

local function forget(region, tag)
  local all = names(region)
  for _, name in ipairs(typed('SMEMBERS', all)) do
    if not tag or tag_of(name) == tag then
      redis.call('UNLINK', series(region, name))
      redis.call('SREM', all, name)
    end
  end
end

local function generation(found)
  return found and #found == 8 and found
end

local function is_there(key)
  return generation(redis.call('MGET', key)[1])
end

local function ensured(key, found, fresh, life, region, tag)
  if generation(found) then return found end
  forget(region, tag)
  if life == '' then redis.call('SET', key, fresh)
  else redis.call('SET', key, fresh, 'PX', 2 * life) end
  return fresh
end

-- A lock is a token of 16 bytes, 'w' if somebody waits for it, and the generations that were seen.
local function awaited(holder)
  return string.sub(holder, 17, 17) == 'w'
end

-- Answers for how many milliseconds the lock is held at most, and after which of the calls in the
-- stream the next one will be, so that it is heard even if it comes before one listens.
local function wait_for(lock, holder, key)
  if not awaited(holder) then redis.call('SETRANGE', lock, 16, 'w') end
  local last = typed('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  return {math.max(1, redis.call('PTTL', lock)), last and last[1] or '0'}
end

local function wake(holder, key)
  if awaited(holder) then
    typed('XADD', key, 'MAXLEN', 1, '*', 'w', '1')
    redis.call('PEXPIRE', key, 5000)
  end
end

local function tag_in(head)
  if type(head) ~= 'string' or string.sub(head, 1, 2) ~= '\\197\\209' then return false end
  return string.byte(head, 3) == 2 and string.sub(head, 12, 35) or ''
end

local function count(region, name, now)
  return typed('ZCOUNT', series(region, name), '(' .. now, '+inf')
end

-- Has a key live long enough for an entry; one that is new has no time to live yet.
local function prolong(key, life, new)
  if life == '' then
    redis.call('PERSIST', key)
  else
    local left = redis.call('PTTL', key)
    if new or left >= 0 and left < 2 * life then redis.call('PEXPIRE', key, 2 * life) end
  end
end

-- What is found at the region, the lock, the entry and the tag; what has a wrong type is not found.
local function look(keys)
  return unpack(redis.call('MGET', keys[2], keys[3], keys[1], keys[5] or keys[2]), 1, 4)
end

-- The generations that count now, as they stand before the data of an entry.
local function stamped(keys, magic, region, tag, mark, fresh, life)
  local stamp = magic .. ensured(keys[2], region, string.sub(fresh, 1, 8), life, keys[2])
  if not keys[5] then return stamp end
  return stamp .. mark .. ensured(keys[5], tag, string.sub(fresh, 9), life, keys[2], mark)
end

-- A series lives no longer than the generations and the names of its region do, so that its time
-- is all that has to be looked at.
local function keep(keys, before, data, life, digest, name, deadline)
  local region = keys[2]
  if life == '' then redis.call('SET', keys[1], data)
  else redis.call('SET', keys[1], data, 'PX', life) end
  local tag = tag_in(before)
  if tag and tag ~= tag_of(name) then
    redis.pcall('ZREM', series(region, string.sub(name, 1, 25) .. tag), digest)
  end
  local all, mine = names(region), series(region, name)
  local added = typed('SADD', all, name) == 1
  typed('ZADD', mine, deadline, digest)
  local left = redis.call('PTTL', mine)
  local new = left < 0 and redis.call('ZCARD', mine) == 1
  if added or new or left >= 0 and (life == '' or left < tonumber(life)) then
    prolong(mine, life, new)
    prolong(all, life, added and redis.call('SCARD', all) == 1)
    prolong(region, life)
    if keys[5] then prolong(keys[5], life) end
  end
  if string.sub(digest, 32) == '0' then
    local now = redis.call('TIME')[1]
    local stale = redis.call('ZRANGE', mine, '-inf', now, 'BYSCORE', 'LIMIT', 0, 64)
    if #stale > 0 then redis.call('ZREM', mine, unpack(stale)) end
  end
end
"""


class Script:
    """A script and the name by which the server knows it.

    Attributes:
        source: The text.
        digest: Its SHA-1, as `EVALSHA` takes it.
    """

    __slots__ = ("digest", "source")

    def __init__(self, source: str) -> None:
        self.source: str = _COMMON + source
        self.digest: str = sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], *args: Any) -> tuple[Any, ...]:
        """Return the command that runs it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *args)


# Keys: entry, region, lock, wake-up call, and the tag's generation if there is a tag.
# Answers {0, entry} if there is one; {1, generations} if the caller may make it, and holds the
# lock; {2, {milliseconds, last call}} if somebody else does, who will have lost it by then.
BEGIN: Final = Script("""
local token, lease, fresh, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local magic, tag, force = ARGV[5], ARGV[6], ARGV[7] == '1'
local region, holder, data, generation_of_tag = look(KEYS)
local stamp = stamped(KEYS, magic, region, generation_of_tag, tag, fresh, life)
if not force and data and string.sub(data, 1, #stamp) == stamp then return {0, data} end
if holder and not force and string.sub(holder, 1, 1) ~= 's' and string.sub(holder, 18) == stamp
    and string.sub(holder, 1, 16) ~= token then
  return {2, wait_for(KEYS[3], holder, KEYS[4])}
end
local waited_for = holder and awaited(holder) and 'w' or '-'
redis.call('SET', KEYS[3], token .. waited_for .. stamp, 'PX', lease)
return {1, stamp}
""")

# The same for those who put nobody in line: all who make the entry now hold one lock together,
# which tells them whether it was changed meanwhile.
# Answers {0, entry}, or {1, generations, lock}.
JOIN: Final = Script("""
local token, lease, fresh, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local magic, tag, force = ARGV[5], ARGV[6], ARGV[7] == '1'
local region, holder, data, generation_of_tag = look(KEYS)
local stamp = stamped(KEYS, magic, region, generation_of_tag, tag, fresh, life)
if not force and data and string.sub(data, 1, #stamp) == stamp then return {0, data} end
if holder and not force and string.sub(holder, 18) == stamp then
  return {1, stamp, string.sub(holder, 1, 16)}
end
local waited_for = holder and awaited(holder) and 'w' or '-'
redis.call('SET', KEYS[3], token .. waited_for .. stamp, 'PX', lease)
return {1, stamp, token}
""")

# Keys: as above. Answers 1 if the entry was stored, 0 if whoever made it was overtaken.
COMMIT: Final = Script("""
local token, data, life = ARGV[1], ARGV[2], ARGV[3]
local region, holder, before, tag = look(KEYS)
if not holder or string.sub(holder, 1, 16) ~= token then return 0 end
local done = 0
if region == string.sub(data, 4, 11) and (not KEYS[5] or tag == string.sub(data, 36, 43)) then
  keep(KEYS, before, data, life, ARGV[4], ARGV[5], ARGV[6])
  done = 1
end
redis.call('DEL', KEYS[3])
wake(holder, KEYS[4])
return done
""")

# Keys: region, lock, wake-up call.
ABANDON: Final = Script("""
local holder = typed('GET', KEYS[2])
if not holder or string.sub(holder, 1, 16) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
wake(holder, KEYS[3])
return 1
""")

# Key: lock.
RENEW: Final = Script("""
local holder = typed('GET', KEYS[1])
if not holder or string.sub(holder, 1, 16) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

# Keys: lock, wake-up call. Answers nothing if the lock was taken, else as BEGIN does.
TAKE: Final = Script("""
local holder = typed('GET', KEYS[1])
if holder and string.sub(holder, 1, 16) ~= ARGV[1] then
  return wait_for(KEYS[1], holder, KEYS[2])
end
if not holder then redis.call('SET', KEYS[1], ARGV[1] .. '-', 'PX', ARGV[2]) end
return false
""")

# Keys: as in BEGIN. Stores whatever was there, and keeps out whoever makes the entry now.
STORE: Final = Script("""
local magic, tag, fresh, data, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local region, holder, before, generation_of_tag = look(KEYS)
local stamp = stamped(KEYS, magic, region, generation_of_tag, tag, fresh, life)
keep(KEYS, before, stamp .. data, life, ARGV[6], ARGV[7], ARGV[8])
if holder then
  redis.call('DEL', KEYS[3])
  wake(holder, KEYS[4])
end
return 1
""")

# Keys: entry, region, lock, wake-up call. Answers whether there was an entry that counted.
DELETE: Final = Script("""
local digest, functions = ARGV[1], ARGV[2]
local head = redis.pcall('GETRANGE', KEYS[1], 0, 42)
local tag = tag_in(head)
local found = 0
if tag then
  redis.pcall('ZREM', series(KEYS[2], functions .. ':' .. tag), digest)
  local now = redis.call('MGET', KEYS[2], KEYS[2] .. ':' .. tag)
  if now[1] == string.sub(head, 4, 11) and (tag == '' or now[2] == string.sub(head, 36, 43)) then
    found = 1
  end
end
redis.call('UNLINK', KEYS[1])
local holder = typed('GET', KEYS[3])
if holder then
  redis.call('DEL', KEYS[3])
  wake(holder, KEYS[4])
end
return found
""")

# Keys: region, and the tag's generation if only that is cleared.
CLEAR: Final = Script("""
local now, tag = ARGV[1], ARGV[2]
local removed = 0
local counts = is_there(KEYS[1])
for _, name in ipairs(typed('SMEMBERS', names(KEYS[1]))) do
  local own = tag_of(name)
  if counts and (not KEYS[2] or own == tag)
      and (own == '' or is_there(KEYS[1] .. ':' .. own)) then
    removed = removed + count(KEYS[1], name, now)
  end
end
redis.call('UNLINK', KEYS[2] or KEYS[1])
if KEYS[2] then forget(KEYS[1], tag) else forget(KEYS[1]) end
return removed
""")

# Key: region. Counts what is fresh, of one function and with one tag if they are not empty.
COUNT: Final = Script("""
local now, functions, tag = ARGV[1], ARGV[2], ARGV[3]
if not is_there(KEYS[1]) then return 0 end
local found = 0
for _, name in ipairs(typed('SMEMBERS', names(KEYS[1]))) do
  local own = tag_of(name)
  if (functions == '' or string.sub(name, 1, 24) == functions) and (tag == '' or own == tag)
      and (own == '' or is_there(KEYS[1] .. ':' .. own)) then
    found = found + count(KEYS[1], name, now)
  end
end
return found
""")

# Key: registry. Lists a region until a time on the server's clock, and drops those that hold
# nothing any more.
REGISTER: Final = Script("""
typed('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. redis.call('TIME')[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1])
elseif last then redis.call('PEXPIREAT', KEYS[1], last .. '000') end
return 1
""")

# Key: registry. Answers all regions that it lists.
REGIONS: Final = Script("""
return typed('ZRANGE', KEYS[1], 0, -1)
""")

_ALL: Final = {
    script.digest: script.source
    for script in (
        *(BEGIN, JOIN, COMMIT, ABANDON, RENEW, TAKE),
        *(STORE, DELETE, CLEAR, COUNT, REGISTER, REGIONS),
    )
}


def spelled_out(command: Sequence[Any]) -> tuple[Any, ...]:
    """Return the command that runs a script for a server that does not know the script yet."""
    return ("EVAL", _ALL[command[1]], *command[2:])
