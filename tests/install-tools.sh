#!/usr/bin/env bash
# What the tests need beside the Python packages: Chromium with its driver, ffprobe, memcached for the S3 server, and
# nginx (with its Lua module) and Caddy to stand before ours. Installs what is missing when it may (root, and a system with
# apt-get), otherwise says exactly what to install.
set -euo pipefail

packages=()
has() { command -v "$1" >/dev/null 2>&1; }
has chromium || has chromium-browser || has google-chrome || packages+=(chromium)
has chromedriver || packages+=(chromium-driver)
has memcached || packages+=(memcached)
has ffprobe || packages+=(ffmpeg)
has nginx || [ -x /usr/sbin/nginx ] || packages+=(nginx-light)
has caddy || packages+=(caddy)
[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || packages+=(libnginx-mod-http-lua)
[ ${#packages[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && has apt-get; then
  echo "Installing what the tests need: ${packages[*]}" >&2
  # RUNLEVEL=1 keeps the packages from starting web servers of their own.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  apt-get update -qq </dev/null
  apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null >/dev/null
else
  echo "The tests need ${packages[*]}. On Debian and Ubuntu:" >&2
  echo "  sudo apt-get install ${packages[*]}" >&2
  echo "Elsewhere install Chromium, its driver (chromedriver), memcached, ffmpeg (for ffprobe), nginx and Caddy." >&2
  exit 1
fi
