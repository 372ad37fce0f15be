// SPDX-License-Identifier: Apache-2.0
//
// node tests/luci/pages.mjs     with LUCI_HOST=http://… of a glimpse-luci-host, or LUCI_URL=http://router LUCI_USER=… LUCI_PASSWORD=…
// Every page of the application in a real browser. Against a real LuCI, it changes settings and ERASES what the agent has kept.

import { launch } from './browser.mjs';
import { Report } from './report.mjs';
import { ending, flows } from './flows.mjs';
import { absent, clean, german, looks, readers } from './looks.mjs';

const report = new Report();
const browser = await launch();
try {
	const english = await looks(browser, report);
	await german(browser, report, english);
	await readers(browser, report);
	await flows(browser, report);
	await absent(browser, report);
	await ending(browser, report);
	await clean(report);
}
finally {
	await browser.close();
}
process.exitCode = report.end();
