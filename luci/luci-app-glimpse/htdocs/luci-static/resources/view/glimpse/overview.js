// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require uci';
'require ui';
'require glimpse.graph as graph';
'require glimpse.page as page';
'require glimpse.rpc as glimpse';
'require glimpse.words as words';

/* Is my line fine? What was donated, and how does the agent stand? */

const GRAPH_EVERY_MS = 60000;

function figure(f) {
	return E('a', { class: 'gl-figure', href: page.url('history#' + f.figure) }, [
		words.figure(f.figure),
		E('b', {}, [(f.figure == 'busy_delay' && f.value > 0 ? '+' : '') + words.value(f.value, f.unit)]),
		f.verdict == 'unknown' ? E('small', {}, [_('%d of %d measurements').format(f.samples, f.needed)]) : words.mark(f.verdict),
		f.against ? E('small', {}, [(f.against_what == 'contract' ? _('contract %s') : _('usually %s')).format(words.value(f.against, f.unit))]) : ''
	]);
}

function answer({ verdict, instructions, now }) {
	const children = verdict.overall != 'unknown' ? [] : instructions.next ? [_('Next measurement:'), ' ', words.ago(instructions.next, now)] :
		[_('Nothing measures regularly yet.'), ' ', page.link(_('Measure at times of your own'), 'schedules')];

	return [
		page.div('gl-answer', [words.mark(verdict.overall, words.sentence(verdict))]),
		E('p', {}, children),
		page.div('gl-figures', verdict.figures.map(figure))
	];
}

function donated({ fixed, mobile, own_bytes: own, control_bytes: control }, now) {
	const days = Math.ceil((Date.UTC(...fixed.month.split('-')) - new Date(now)) / 864e5);

	return [
		E('strong', {}, [words.portion(fixed.used_bytes, fixed.cap_bytes, 'bytes')]),
		' · ', N_(days, 'starts anew in %d day', 'starts anew in %d days').format(days),
		' · ', page.link(_('Who asked for it'), 'schedules'),
		graph.bar(fixed.used_bytes / (fixed.cap_bytes || 1), _('Donated this month')),
		page.facts([
			[_('Over mobile lines'), mobile.cap_bytes ? words.portion(mobile.used_bytes, mobile.cap_bytes, 'bytes') : _('off')],
			[_('Not capped'), _('your own tests %s, talk with the controller %s').format(words.bytes(own), words.bytes(control))]
		])
	];
}

/* Both talks with the controller: for instructions, and for results. */
function talks({ controller }) {
	return [controller.instructions, controller.results].filter(L.isObject);
}

function contact(status) {
	return words.ago(talks(status).map(talk => talk.last_success).filter(Boolean).sort().pop(), status.now);
}

function brief(status) {
	if (!status.enrolled)
		return [_('Measures for you alone')];
	return status.consent ? [_('Enrolled, last contact'), ' ', contact(status)] : [_('Enrolled; measurements for others are off')];
}

function state(status) {
	const { controller, spool, now } = status;
	const host = (controller.url || '').replace('https://', '');
	const trouble = talks(status).find(talk => talk.error);

	return [page.facts([
		status.enrolled ? [_('Controller'), host, ' · ', _('last contact'), ' ', contact(status)] :
			[_('Controller'), host ? _('not joined yet') : _('none: nobody else asks this router to measure'), ' · ', page.link(_('Join one'), 'settings')],
		host && controller.error && [_('Membership'), words.mark('poor', controller.error)],
		trouble && [_('Trouble'), words.mark('fair', _('The controller cannot be talked to. Nothing is lost: results wait here.')), E('br'),
			_('tried'), ' ', words.ago(trouble.last_attempt, now), ' · ', _('next try'), ' ', words.ago(trouble.next_attempt, now),
			page.details(_('Details'), [trouble.error])],
		[_('Waiting uploads'), spool.waiting ? N_(spool.waiting, '%d result', '%d results').format(spool.waiting) + ' · ' + words.bytes(spool.bytes) : _('none')]
	].filter(Boolean))];
}

/* Consent is switched on; changes of other pages that wait are never applied on the way. */
function agree() {
	return uci.load('glimpse').then(() => {
		if (!uci.get('glimpse', 'consent'))
			uci.add('glimpse', 'consent', 'consent');
		uci.set('glimpse', 'consent', 'enabled', '1');
		return uci.save();
	}).then(() => uci.changes()).then(changes =>
		Object.keys(changes).some(name => name != 'glimpse') ? ui.changes.init().then(() => ui.changes.displayChanges()) : uci.apply()
	).catch(page.notify);
}

function invitation(place, { consent }) {
	if (consent)
		return [];

	if (localStorage.getItem('glimpse.consent') == 'no')
		return [_('Measurements for others are off; this page works for you alone.'), ' ', page.link(_('Change'), 'settings')];

	return [page.div('gl-card', [
		E('h3', {}, [_('Do you want to donate measurements?')]),
		page.consent(),
		page.div('gl-actions gl-even', [
			page.button(_('Yes, others may measure from here'), 'neutral', agree),
			page.button(_('No, measure for me alone'), 'neutral', () => {
				localStorage.setItem('glimpse.consent', 'no');
				dom.content(place, invitation(place, {}));
			})
		])
	])];
}

return view.extend({
	handleSaveApply: null,
	handleSave: null,
	handleReset: null,

	render() {
		const [failing, aside, invited, faulty, said, picture, spent, agent] = Array.from('12345678', () => E('div'));
		const title = _('Delay in the last 24 hours');
		const body = E('div', { hidden: '' }, [
			faulty,
			page.div('cbi-section', [said, picture]),
			invited,
			page.section(_('Trouble?'), [page.div('gl-actions gl-even', [
				page.link(_('Run a speed test'), 'troubleshooter#speed', 'action'),
				page.link(_('Internet does not work'), 'troubleshooter#down', 'action'),
				page.link(_('Internet is slow'), 'troubleshooter#slow', 'action')
			])]),
			page.section(_('Donated this month'), [spent]),
			page.section(_('The measuring service'), [agent])
		]);
		let drawn = 0;

		const day = () => Promise.all(['delay', 'loss'].map(name => glimpse.series({ figure: name, range: 'day' }))).then(
			([delay, loss]) => page.update(picture, [delay.points, loss.points, delay.events], () => [E('h4', {}, [title]), graph.chart(delay, { title, ticks: loss })]),
			error => page.update(picture, error.message, () => [error.message]));

		return page.live(failing, () => Promise.all([glimpse.status(), glimpse.budget()]), ([status, budget]) => {
			const { now, settings_error: fault } = status;
			const key = [{ ...status, now: 0 }, Math.floor(new Date(now) / 60000)];

			body.hidden = false;
			page.update(aside, key, () => brief(status));
			page.update(faulty, fault, () => fault ? [page.notice('warning', [_('There is a fault in the settings, so the ones before it still hold: %s').format(fault)])] : []);
			page.update(invited, status.consent, () => invitation(invited, status));
			page.update(said, key, () => answer(status));
			page.update(spent, [budget, key[1]], () => donated(budget, now));
			page.update(agent, key, () => state(status));

			if (Date.now() - drawn > GRAPH_EVERY_MS) {
				drawn = Date.now();
				return day();
			}
		}, 10).then(() => page.frame(_('Internet quality'), [failing, body], aside));
	}
});
