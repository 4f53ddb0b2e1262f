-- Password hashes that crypt(3) does not know: Apache's MD5 ($apr1$, what htpasswd writes by default) and {SHA}.
-- ingress_users[list][name] = hash is in users.lua, loaded before.

local remembered, remembered_count, remembered_max = {}, 0, 1000

local alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

local function to64(value, length)
  local text = ''
  for _ = 1, length do
    local index = (value & 0x3f) + 1
    text = text .. alphabet:sub(index, index)
    value = value >> 6
  end
  return text
end

local function apr1(md5, password, salt)
  local final = md5(password .. salt .. password)
  local context = password .. '$apr1$' .. salt
  for left = #password, 1, -16 do context = context .. final:sub(1, math.min(left, 16)) end
  local length = #password
  while length > 0 do
    context = context .. ((length & 1 == 1) and '\0' or password:sub(1, 1))
    length = length >> 1
  end
  final = md5(context)
  for round = 0, 999 do
    local odd = round & 1 == 1
    local text = odd and password or final
    if round % 3 ~= 0 then text = text .. salt end
    if round % 7 ~= 0 then text = text .. password end
    final = md5(text .. (odd and final or password))
  end
  local bytes = { final:byte(1, 16) }
  local function group(a, b, c) return to64(bytes[a + 1] << 16 | bytes[b + 1] << 8 | bytes[c + 1], 4) end
  return group(0, 6, 12) .. group(1, 7, 13) .. group(2, 8, 14) .. group(3, 9, 15) .. group(4, 10, 5) .. to64(bytes[12], 2)
end

local function matches(txn, hash, password)
  local salt, digest = hash:match('^%$apr1%$([^$]*)%$(.+)$')
  if salt then
    return apr1(function(text) return txn.c:digest(text, 'md5') end, password, salt) == digest
  end
  local sha = hash:match('^{SHA}(.+)$')
  return sha ~= nil and txn.c:base64(txn.c:sha1(password)) == sha
end

core.register_fetches('htpasswd', function(txn, list)
  local header = txn.f:req_hdr('authorization')
  local encoded = header and header:match('^[Bb]asic +(%S+)$')
  if not encoded then return 0 end
  local key = list .. ' ' .. encoded
  if remembered[key] then return 1 end
  local name, password = (txn.c:b64dec(encoded) or ''):match('^([^:]*):(.*)$')
  local hash = name and ingress_users[list] and ingress_users[list][name]
  if not hash or not matches(txn, hash, password) then return 0 end
  if remembered_count >= remembered_max then remembered, remembered_count = {}, 0 end
  remembered[key], remembered_count = true, remembered_count + 1
  return 1
end)
