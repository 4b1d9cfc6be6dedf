import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'];

/**
 * A real browser: the one that PUSHMILL_TEST_CHROMIUM names, else the system's, else, on Debian or Ubuntu as root,
 * the distribution's, installed now. Undefined where there is none to be had.
 */
export async function openBrowser(): Promise<Browser | undefined> {
  const executablePath = process.env.PUSHMILL_TEST_CHROMIUM || find() || install();
  if (!executablePath) return undefined;
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function find(): string | undefined {
  for (const path of places.flatMap((place) => names.map((name) => join(place, name)))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here; the next place may have it.
    }
  }
  return undefined;
}

function install(): string | undefined {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return undefined;
  console.log('# No browser is installed: installing chromium from the distribution…');
  const apt = (...args: string[]) =>
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-q', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: 'ignore',
    }).status === 0;
  const packages = ['install', '-y', '--no-install-recommends', 'chromium'];
  return apt(...packages) || (apt('update') && apt(...packages)) ? find() : undefined;
}
