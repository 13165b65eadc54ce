"""The Lua scripts of entries and locks: what has to be done in one step on the server.

A hit needs none of them. Each gets the keys of one bucket; the series of a region and their names
are derived from the region's key, so that they are in the same bucket and the same slot. What the
usual call does is written out; see `cachu_redis.lua` for the rest.
"""

from __future__ import annotations

from typing import Final

from cachu_redis.script import Script

# A lock is a token of 16 bytes, 'w' if somebody waits for it, and the generations that were seen.

# What is found at the region, the lock, the entry and the tag; what has a wrong type is not found.
_LOOK: Final = """
local found = redis.call('MGET', KEYS[2], KEYS[3], KEYS[1], KEYS[5] or KEYS[2])
local region, holder, before, other = found[1], found[2], found[3], found[4]
"""

# The generations that count now, as they stand before the data of an entry.
_STAMP: Final = """
local stamp
if region and #region == 8 and (not KEYS[5] or other and #other == 8) then
  stamp = magic .. region
  if KEYS[5] then stamp = stamp .. tag .. other end
else
  --@ ensured
  stamp = magic .. ensured(KEYS[2], region, string.sub(fresh, 1, 8), life, KEYS[2])
  if KEYS[5] then
    stamp = stamp .. tag .. ensured(KEYS[5], other, string.sub(fresh, 9, 16), life, KEYS[2], tag)
  end
end
"""

# Stores `data`, and lists it in its series. A series lives no longer than the generations and the
# names of its region do, so that its time is all that has to be looked at.
_KEEP: Final = """
if life == '' then redis.call('SET', KEYS[1], data)
else redis.call('SET', KEYS[1], data, 'PX', life) end
if before then
  --@ tag_in tag_of series
  local earlier = tag_in(before)
  if earlier and earlier ~= tag_of(name) then
    redis.pcall('ZREM', series(KEYS[2], string.sub(name, 1, 25) .. earlier), digest)
  end
end
local all = 'cachu:n:' .. string.sub(KEYS[2], 9)
local mine = 'cachu:s:' .. string.sub(KEYS[2], 9) .. ':' .. name
local added, listed = redis.pcall('SADD', all, name), redis.pcall('ZADD', mine, deadline, digest)
if type(added) == 'table' or type(listed) == 'table' then
  --@ typed
  if type(added) == 'table' then added = typed('SADD', all, name) end
  if type(listed) == 'table' then typed('ZADD', mine, deadline, digest) end
end
local left = redis.call('PTTL', mine)
if added == 1 or left < 0 or life == '' or left < tonumber(life) then
  --@ prolong
  local new = left < 0 and redis.call('ZCARD', mine) == 1
  if added == 1 or new or left >= 0 then
    prolong(mine, life, new)
    prolong(all, life, added == 1 and redis.call('SCARD', all) == 1)
    prolong(KEYS[2], life)
    if KEYS[5] then prolong(KEYS[5], life) end
  end
end
if string.sub(digest, 32) == '0' then
  local now = redis.call('TIME')[1]
  local stale = redis.call('ZRANGE', mine, '-inf', now, 'BYSCORE', 'LIMIT', 0, 64)
  if #stale > 0 then redis.call('ZREM', mine, unpack(stale)) end
  if redis.call('EXISTS', 'cachu:t:' .. string.sub(KEYS[2], 9)) == 1 then
    --@ sweep
    sweep(KEYS[2], string.sub(data, 4, 11))
  end
end
"""

# Frees the lock, and wakes those who wait for it.
_FREE: Final = """
redis.call('DEL', KEYS[3])
if string.sub(holder, 17, 17) == 'w' then
  --@ wake
  wake(KEYS[4])
end
"""

# Keys: entry, region, lock, wake-up call, and the tag's generation if there is a tag.
# Answers {0, entry} if there is one; {1, generations} if the caller may make it, and holds the
# lock; {2, {milliseconds, last call}} if somebody else does, who will have lost it by then.
BEGIN: Final = Script(f"""
local token, lease, fresh, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local magic, tag, force = ARGV[5], ARGV[6], ARGV[7] == '1'
{_LOOK}{_STAMP}
local waited_for = '-'
if not force then
  if before and string.sub(before, 1, #stamp) == stamp then return {{0, before}} end
  if holder and string.sub(holder, 1, 1) ~= 's' and string.sub(holder, 18) == stamp
    and string.sub(holder, 1, 16) ~= token then
    --@ wait_for
    return {{2, wait_for(KEYS[3], holder, KEYS[4])}}
  end
end
if holder and string.sub(holder, 17, 17) == 'w' then waited_for = 'w' end
redis.call('SET', KEYS[3], token .. waited_for .. stamp, 'PX', lease)
return {{1, stamp}}
""")

# The same for those who put nobody in line: all who make the entry now hold one lock together,
# which tells them whether it was changed meanwhile.
# Answers {0, entry}, or {1, generations, lock}.
JOIN: Final = Script(f"""
local token, lease, fresh, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local magic, tag, force = ARGV[5], ARGV[6], ARGV[7] == '1'
{_LOOK}{_STAMP}
local waited_for = '-'
if not force then
  if before and string.sub(before, 1, #stamp) == stamp then return {{0, before}} end
  if holder and string.sub(holder, 18) == stamp then
    return {{1, stamp, string.sub(holder, 1, 16)}}
  end
end
if holder and string.sub(holder, 17, 17) == 'w' then waited_for = 'w' end
redis.call('SET', KEYS[3], token .. waited_for .. stamp, 'PX', lease)
return {{1, stamp, token}}
""")

# Keys: as above. Answers 1 if the entry was stored, 0 if whoever made it was overtaken.
COMMIT: Final = Script(f"""
local token, data, life = ARGV[1], ARGV[2], ARGV[3]
local digest, name, deadline = ARGV[4], ARGV[5], ARGV[6]
{_LOOK}
if not holder or string.sub(holder, 1, 16) ~= token then return 0 end
local done = 0
if region == string.sub(data, 4, 11) and (not KEYS[5] or other == string.sub(data, 36, 43)) then
{_KEEP}
  done = 1
end
{_FREE}
return done
""")

# Keys: region, lock, wake-up call.
ABANDON: Final = Script("""
--@ typed
local holder = typed('GET', KEYS[2])
if not holder or string.sub(holder, 1, 16) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if string.sub(holder, 17, 17) == 'w' then
  --@ wake
  wake(KEYS[3])
end
return 1
""")

# Key: lock.
RENEW: Final = Script("""
--@ typed
local holder = typed('GET', KEYS[1])
if not holder or string.sub(holder, 1, 16) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

# Keys: lock, wake-up call. Answers nothing if the lock was taken, else as BEGIN does.
TAKE: Final = Script("""
--@ wait_for
local holder = typed('GET', KEYS[1])
if holder and string.sub(holder, 1, 16) ~= ARGV[1] then
  return wait_for(KEYS[1], holder, KEYS[2])
end
if not holder then redis.call('SET', KEYS[1], ARGV[1] .. '-', 'PX', ARGV[2]) end
return false
""")

# Keys: as in BEGIN. Stores whatever was there, and keeps out whoever makes the entry now.
STORE: Final = Script(f"""
local magic, tag, fresh, body, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local digest, name, deadline = ARGV[6], ARGV[7], ARGV[8]
{_LOOK}{_STAMP}
local data = stamp .. body
{_KEEP}
if holder then
{_FREE}
end
return 1
""")

# Keys: entry, region, lock, wake-up call. Answers whether there was an entry that counted.
DELETE: Final = Script(f"""
--@ typed tag_in series
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
{_FREE}
end
return found
""")
