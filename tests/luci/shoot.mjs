// SPDX-License-Identifier: Apache-2.0
//
// node tests/luci/shoot.mjs PAGE WIDTH dark|light LANGUAGE FILE.png [read]   with LUCI_HOST=http://… (default http://127.0.0.1:8099)
// A picture of one page of the application, as a running glimpse-luci-host serves it, and what went wrong there.

import { launch, place, visit } from './browser.mjs';

const [ name, width, shade, language, file, rights ] = process.argv.slice(2);
const url = (process.env.LUCI_HOST ?? 'http://127.0.0.1:8099').replace(/\/$/, '');
const browser = await launch();
try {
	const page = await visit(browser, { width: Number(width), dark: shade == 'dark', language, rights: rights ?? 'write', url });
	page.on('console', message => [ 'error', 'warning' ].includes(message.type()) && console.log(`console: ${message.text()}`));
	page.on('pageerror', error => console.log(`error: ${error.stack}`));
	await page.goto(`${url}/cgi-bin/luci/${place(name)}`);
	await page.waitForFunction(() => window.__host?.ready && !document.querySelector('#view > .spinning'), null, { timeout: 15000 })
		.catch(error => console.log(`not drawn: ${error.message}`));
	await page.waitForTimeout(Number(process.env.WAIT ?? 700));
	const state = await page.evaluate(() => ({
		errors: window.__host?.errors, untranslated: [ ...(window.__host?.untranslated ?? []) ],
		overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth
	}));
	console.log(JSON.stringify(state, null, 1));
	await page.screenshot({ path: file, fullPage: true });
}
finally {
	await browser.close();
}
