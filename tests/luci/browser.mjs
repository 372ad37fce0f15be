// SPDX-License-Identifier: Apache-2.0
//
// The browser: Debian's Chromium by playwright-core, which lies in target/luci/node (`cargo xtask test` puts it there).

import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const workspace = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const target = join(process.env.CARGO_TARGET_DIR ?? join(workspace, 'target'), 'luci');

const { chromium } = createRequire(join(target, 'node', 'package.json'))('playwright-core');

/* As root there is no sandbox of the browser's; what it loads is ours. */
export function launch() {
	const executablePath = [ process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser' ]
		.find(path => path && existsSync(path));
	if (!executablePath)
		throw new Error('no chromium: apt-get install --no-install-recommends chromium');

	return chromium.launch({ executablePath, args: [ '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage' ] });
}

export const pages = [ 'overview', 'history', 'toolbox', 'troubleshooter', 'schedules', 'settings', 'survey' ];
export const place = page => page == 'start' ? 'admin/status/overview' : `admin/status/glimpse/${page}`;

/* A context with width, shade, language and rights, and its first page. */
export async function visit(browser, { width = 1440, dark = false, language = 'en', rights = 'write', url }) {
	const context = await browser.newContext({
		viewport: { width, height: width < 600 ? 812 : 900 },
		colorScheme: dark ? 'dark' : 'light',
		locale: language == 'de' ? 'de-DE' : 'en-GB',
		hasTouch: width < 600,
		acceptDownloads: true
	});
	await context.addCookies([ { name: 'host_rights', value: rights, url } ]);
	return context.newPage();
}
