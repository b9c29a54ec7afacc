"""L-07 livelock of run: vercel_cancelled, found by simworld.

One race of vercel-workflow, shown without any simulation.

The unmodified SDK runs on its own local world, its own embedded queue and the real clock.  This
file only adds what the contracts of storage and queue allow: a call may take a while (so that the
calls come in the order below), a message may be delivered more than once (one whose delivery has
failed comes again at once, not after the queue's minute), and one call may fail.  A call that is
given up while it takes long has been made all the same.  It needs the SDK, the module with the
workflow, and Python's standard library.

``python FILE`` runs it once in a new folder; the module is looked for beside the script, in the
folder you are in, and wherever ``--path DIR`` or PYTHONPATH says.  ``--plain`` leaves everything to
chance: no order, no duplicate, no failed call.  What the workload plans stays in both: which bodies
fail, and how often a step may be tried again.  It exits with 0 if the run ended as its author would
expect, with 1 if it did not, with 2 if it could not be run.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from vercel.workflow._internal import ulid

PLAN: dict[str, Any] = {'subject': 'vercel-workflow==0.12.0',
 'module': 'scenarios.vercel.flows',
 'expected': ['completed'],
 'max_retries': None,
 'client': [['client', 'start', 'sequence', [[0, 0, 0]], {}],
            ['client', 'sleep', 0],
            ['client', 'cancel', 0]],
 'failures': [],
 'copies': {},
 'fails': {},
 'errors': 'hosted',
 'deliveries_max': 4,
 'patience_s': 3.0,
 'longest_ms': 0,
 'decided': 6,
 'timeout_s': 25.0,
 'order': [['client', 'record run_created', 0],
           ['client', 'send flow', 0],
           ['client/flow', 'deliver flow', 0],
           ['client/flow', 'record run_started', 0],
           ['client/flow', 'read the log', 0],
           ['client', 'record run_cancelled', 0],
           ['client/flow', 'record step_created of #1', 0],
           ['client/flow', 'send #1', 0],
           ['client/flow/#1', 'deliver #1', 0],
           ['client/flow/#1', 'read the run', 0],
           ['client/flow/#1', 'record step_started of #1', 0],
           ['client/flow/#1~2', 'deliver #1', 5000],
           ['client/flow/#1~2', 'read the run', 5000],
           ['client/flow/#1~2', 'record step_started of #1', 5000],
           ['client/flow/#1~3', 'deliver #1', 10000],
           ['client/flow/#1~3', 'read the run', 10000],
           ['client/flow/#1~3', 'record step_started of #1', 10000],
           ['client/flow/#1~4', 'deliver #1', 15000],
           ['client/flow/#1~4', 'read the run', 15000],
           ['client/flow/#1~4', 'record step_started of #1', 15000],
           ['client/flow/#1~5', 'deliver #1', 20000],
           ['client/flow/#1~5', 'read the run', 20000],
           ['client/flow/#1~5', 'record step_started of #1', 20000],
           ['client/flow/#1~6', 'deliver #1', 25000],
           ['client/flow/#1~6', 'read the run', 25000],
           ['client/flow/#1~6', 'record step_started of #1', 25000],
           ['client/flow/#1~7', 'deliver #1', 30000],
           ['client/flow/#1~7', 'read the run', 30000],
           ['client/flow/#1~7', 'record step_started of #1', 30000],
           ['client/flow/#1~8', 'deliver #1', 35000],
           ['client/flow/#1~8', 'read the run', 35000],
           ['client/flow/#1~8', 'record step_started of #1', 35000],
           ['client/flow/#1~9', 'deliver #1', 40000],
           ['client/flow/#1~9', 'read the run', 40000],
           ['client/flow/#1~9', 'record step_started of #1', 40000],
           ['client/flow/#1~10', 'deliver #1', 45000],
           ['client/flow/#1~10', 'read the run', 45000],
           ['client/flow/#1~10', 'record step_started of #1', 45000],
           ['client/flow/#1~11', 'deliver #1', 50000],
           ['client/flow/#1~11', 'read the run', 50000],
           ['client/flow/#1~11', 'record step_started of #1', 50000],
           ['client/flow/#1~12', 'deliver #1', 55000],
           ['client/flow/#1~12', 'read the run', 55000],
           ['client/flow/#1~12', 'record step_started of #1', 55000],
           ['client/flow/#1~13', 'deliver #1', 60000],
           ['client/flow/#1~13', 'read the run', 60000],
           ['client/flow/#1~13', 'record step_started of #1', 60000],
           ['client/flow/#1~14', 'deliver #1', 65000],
           ['client/flow/#1~14', 'read the run', 65000],
           ['client/flow/#1~14', 'record step_started of #1', 65000],
           ['client/flow/#1~15', 'deliver #1', 70000],
           ['client/flow/#1~15', 'read the run', 70000],
           ['client/flow/#1~15', 'record step_started of #1', 70000],
           ['client/flow/#1~16', 'deliver #1', 75000],
           ['client/flow/#1~16', 'read the run', 75000],
           ['client/flow/#1~16', 'record step_started of #1', 75000],
           ['client/flow/#1~17', 'deliver #1', 80000],
           ['client/flow/#1~17', 'read the run', 80000],
           ['client/flow/#1~17', 'record step_started of #1', 80000],
           ['client/flow/#1~18', 'deliver #1', 85000],
           ['client/flow/#1~18', 'read the run', 85000],
           ['client/flow/#1~18', 'record step_started of #1', 85000],
           ['client/flow/#1~19', 'deliver #1', 90000],
           ['client/flow/#1~19', 'read the run', 90000],
           ['client/flow/#1~19', 'record step_started of #1', 90000],
           ['client/flow/#1~20', 'deliver #1', 95000],
           ['client/flow/#1~20', 'read the run', 95000],
           ['client/flow/#1~20', 'record step_started of #1', 95000],
           ['client/flow/#1~21', 'deliver #1', 100000],
           ['client/flow/#1~21', 'read the run', 100000],
           ['client/flow/#1~21', 'record step_started of #1', 100000],
           ['client/flow/#1~22', 'deliver #1', 105000],
           ['client/flow/#1~22', 'read the run', 105000],
           ['client/flow/#1~22', 'record step_started of #1', 105000],
           ['client/flow/#1~23', 'deliver #1', 110000],
           ['client/flow/#1~23', 'read the run', 110000],
           ['client/flow/#1~23', 'record step_started of #1', 110000],
           ['client/flow/#1~24', 'deliver #1', 115000],
           ['client/flow/#1~24', 'read the run', 115000],
           ['client/flow/#1~24', 'record step_started of #1', 115000],
           ['client/flow/#1~25', 'deliver #1', 120000],
           ['client/flow/#1~25', 'read the run', 120000],
           ['client/flow/#1~25', 'record step_started of #1', 120000],
           ['client/flow/#1~26', 'deliver #1', 125000],
           ['client/flow/#1~26', 'read the run', 125000],
           ['client/flow/#1~26', 'record step_started of #1', 125000],
           ['client/flow/#1~27', 'deliver #1', 130000],
           ['client/flow/#1~27', 'read the run', 130000],
           ['client/flow/#1~27', 'record step_started of #1', 130000],
           ['client/flow/#1~28', 'deliver #1', 135000],
           ['client/flow/#1~28', 'read the run', 135000],
           ['client/flow/#1~28', 'record step_started of #1', 135000],
           ['client/flow/#1~29', 'deliver #1', 140000],
           ['client/flow/#1~29', 'read the run', 140000],
           ['client/flow/#1~29', 'record step_started of #1', 140000],
           ['client/flow/#1~30', 'deliver #1', 145000],
           ['client/flow/#1~30', 'read the run', 145000],
           ['client/flow/#1~30', 'record step_started of #1', 145000],
           ['client/flow/#1~31', 'deliver #1', 150000],
           ['client/flow/#1~31', 'read the run', 150000],
           ['client/flow/#1~31', 'record step_started of #1', 150000],
           ['client/flow/#1~32', 'deliver #1', 155000],
           ['client/flow/#1~32', 'read the run', 155000],
           ['client/flow/#1~32', 'record step_started of #1', 155000],
           ['client/flow/#1~33', 'deliver #1', 160000],
           ['client/flow/#1~33', 'read the run', 160000],
           ['client/flow/#1~33', 'record step_started of #1', 160000],
           ['client/flow/#1~34', 'deliver #1', 165000],
           ['client/flow/#1~34', 'read the run', 165000],
           ['client/flow/#1~34', 'record step_started of #1', 165000],
           ['client/flow/#1~35', 'deliver #1', 170000],
           ['client/flow/#1~35', 'read the run', 170000],
           ['client/flow/#1~35', 'record step_started of #1', 170000],
           ['client/flow/#1~36', 'deliver #1', 175000],
           ['client/flow/#1~36', 'read the run', 175000],
           ['client/flow/#1~36', 'record step_started of #1', 175000],
           ['client/flow/#1~37', 'deliver #1', 180000],
           ['client/flow/#1~37', 'read the run', 180000],
           ['client/flow/#1~37', 'record step_started of #1', 180000],
           ['client/flow/#1~38', 'deliver #1', 185000],
           ['client/flow/#1~38', 'read the run', 185000],
           ['client/flow/#1~38', 'record step_started of #1', 185000],
           ['client/flow/#1~39', 'deliver #1', 190000],
           ['client/flow/#1~39', 'read the run', 190000],
           ['client/flow/#1~39', 'record step_started of #1', 190000],
           ['client/flow/#1~40', 'deliver #1', 195000],
           ['client/flow/#1~40', 'read the run', 195000],
           ['client/flow/#1~40', 'record step_started of #1', 195000],
           ['client/flow/#1~41', 'deliver #1', 200000],
           ['client/flow/#1~41', 'read the run', 200000],
           ['client/flow/#1~41', 'record step_started of #1', 200000],
           ['client/flow/#1~42', 'deliver #1', 205000],
           ['client/flow/#1~42', 'read the run', 205000],
           ['client/flow/#1~42', 'record step_started of #1', 205000],
           ['client/flow/#1~43', 'deliver #1', 210000],
           ['client/flow/#1~43', 'read the run', 210000],
           ['client/flow/#1~43', 'record step_started of #1', 210000],
           ['client/flow/#1~44', 'deliver #1', 215000],
           ['client/flow/#1~44', 'read the run', 215000],
           ['client/flow/#1~44', 'record step_started of #1', 215000],
           ['client/flow/#1~45', 'deliver #1', 220000],
           ['client/flow/#1~45', 'read the run', 220000],
           ['client/flow/#1~45', 'record step_started of #1', 220000],
           ['client/flow/#1~46', 'deliver #1', 225000],
           ['client/flow/#1~46', 'read the run', 225000],
           ['client/flow/#1~46', 'record step_started of #1', 225000],
           ['client/flow/#1~47', 'deliver #1', 230000],
           ['client/flow/#1~47', 'read the run', 230000],
           ['client/flow/#1~47', 'record step_started of #1', 230000],
           ['client/flow/#1~48', 'deliver #1', 235000],
           ['client/flow/#1~48', 'read the run', 235000],
           ['client/flow/#1~48', 'record step_started of #1', 235000],
           ['client/flow/#1~49', 'deliver #1', 240000],
           ['client/flow/#1~49', 'read the run', 240000],
           ['client/flow/#1~49', 'record step_started of #1', 240000],
           ['client/flow/#1~50', 'deliver #1', 245000],
           ['client/flow/#1~50', 'read the run', 245000],
           ['client/flow/#1~50', 'record step_started of #1', 245000],
           ['client/flow/#1~51', 'deliver #1', 250000],
           ['client/flow/#1~51', 'read the run', 250000],
           ['client/flow/#1~51', 'record step_started of #1', 250000],
           ['client/flow/#1~52', 'deliver #1', 255000],
           ['client/flow/#1~52', 'read the run', 255000],
           ['client/flow/#1~52', 'record step_started of #1', 255000],
           ['client/flow/#1~53', 'deliver #1', 260000],
           ['client/flow/#1~53', 'read the run', 260000],
           ['client/flow/#1~53', 'record step_started of #1', 260000],
           ['client/flow/#1~54', 'deliver #1', 265000],
           ['client/flow/#1~54', 'read the run', 265000],
           ['client/flow/#1~54', 'record step_started of #1', 265000],
           ['client/flow/#1~55', 'deliver #1', 270000],
           ['client/flow/#1~55', 'read the run', 270000],
           ['client/flow/#1~55', 'record step_started of #1', 270000],
           ['client/flow/#1~56', 'deliver #1', 275000],
           ['client/flow/#1~56', 'read the run', 275000],
           ['client/flow/#1~56', 'record step_started of #1', 275000],
           ['client/flow/#1~57', 'deliver #1', 280000],
           ['client/flow/#1~57', 'read the run', 280000],
           ['client/flow/#1~57', 'record step_started of #1', 280000],
           ['client/flow/#1~58', 'deliver #1', 285000],
           ['client/flow/#1~58', 'read the run', 285000],
           ['client/flow/#1~58', 'record step_started of #1', 285000],
           ['client/flow/#1~59', 'deliver #1', 290000],
           ['client/flow/#1~59', 'read the run', 290000],
           ['client/flow/#1~59', 'record step_started of #1', 290000],
           ['client/flow/#1~60', 'deliver #1', 295000],
           ['client/flow/#1~60', 'read the run', 295000],
           ['client/flow/#1~60', 'record step_started of #1', 295000],
           ['client/flow/#1~61', 'deliver #1', 300000],
           ['client/flow/#1~61', 'read the run', 300000],
           ['client/flow/#1~61', 'record step_started of #1', 300000],
           ['client/flow/#1~62', 'deliver #1', 305000],
           ['client/flow/#1~62', 'read the run', 305000],
           ['client/flow/#1~62', 'record step_started of #1', 305000],
           ['client/flow/#1~63', 'deliver #1', 310000],
           ['client/flow/#1~63', 'read the run', 310000],
           ['client/flow/#1~63', 'record step_started of #1', 310000],
           ['client/flow/#1~64', 'deliver #1', 315000],
           ['client/flow/#1~64', 'read the run', 315000],
           ['client/flow/#1~64', 'record step_started of #1', 315000],
           ['client/flow/#1~65', 'deliver #1', 320000],
           ['client/flow/#1~65', 'read the run', 320000],
           ['client/flow/#1~65', 'record step_started of #1', 320000],
           ['client/flow/#1~66', 'deliver #1', 325000],
           ['client/flow/#1~66', 'read the run', 325000],
           ['client/flow/#1~66', 'record step_started of #1', 325000],
           ['client/flow/#1~67', 'deliver #1', 330000],
           ['client/flow/#1~67', 'read the run', 330000],
           ['client/flow/#1~67', 'record step_started of #1', 330000],
           ['client/flow/#1~68', 'deliver #1', 335000],
           ['client/flow/#1~68', 'read the run', 335000],
           ['client/flow/#1~68', 'record step_started of #1', 335000],
           ['client/flow/#1~69', 'deliver #1', 340000],
           ['client/flow/#1~69', 'read the run', 340000],
           ['client/flow/#1~69', 'record step_started of #1', 340000],
           ['client/flow/#1~70', 'deliver #1', 345000],
           ['client/flow/#1~70', 'read the run', 345000],
           ['client/flow/#1~70', 'record step_started of #1', 345000],
           ['client/flow/#1~71', 'deliver #1', 350000],
           ['client/flow/#1~71', 'read the run', 350000],
           ['client/flow/#1~71', 'record step_started of #1', 350000],
           ['client/flow/#1~72', 'deliver #1', 355000],
           ['client/flow/#1~72', 'read the run', 355000],
           ['client/flow/#1~72', 'record step_started of #1', 355000],
           ['client/flow/#1~73', 'deliver #1', 360000],
           ['client/flow/#1~73', 'read the run', 360000],
           ['client/flow/#1~73', 'record step_started of #1', 360000],
           ['client/flow/#1~74', 'deliver #1', 365000],
           ['client/flow/#1~74', 'read the run', 365000],
           ['client/flow/#1~74', 'record step_started of #1', 365000],
           ['client/flow/#1~75', 'deliver #1', 370000],
           ['client/flow/#1~75', 'read the run', 370000],
           ['client/flow/#1~75', 'record step_started of #1', 370000],
           ['client/flow/#1~76', 'deliver #1', 375000],
           ['client/flow/#1~76', 'read the run', 375000],
           ['client/flow/#1~76', 'record step_started of #1', 375000],
           ['client/flow/#1~77', 'deliver #1', 380000],
           ['client/flow/#1~77', 'read the run', 380000],
           ['client/flow/#1~77', 'record step_started of #1', 380000],
           ['client/flow/#1~78', 'deliver #1', 385000],
           ['client/flow/#1~78', 'read the run', 385000],
           ['client/flow/#1~78', 'record step_started of #1', 385000],
           ['client/flow/#1~79', 'deliver #1', 390000],
           ['client/flow/#1~79', 'read the run', 390000],
           ['client/flow/#1~79', 'record step_started of #1', 390000],
           ['client/flow/#1~80', 'deliver #1', 395000],
           ['client/flow/#1~80', 'read the run', 395000],
           ['client/flow/#1~80', 'record step_started of #1', 395000],
           ['client/flow/#1~81', 'deliver #1', 400000],
           ['client/flow/#1~81', 'read the run', 400000],
           ['client/flow/#1~81', 'record step_started of #1', 400000],
           ['client/flow/#1~82', 'deliver #1', 405000],
           ['client/flow/#1~82', 'read the run', 405000],
           ['client/flow/#1~82', 'record step_started of #1', 405000],
           ['client/flow/#1~83', 'deliver #1', 410000],
           ['client/flow/#1~83', 'read the run', 410000],
           ['client/flow/#1~83', 'record step_started of #1', 410000],
           ['client/flow/#1~84', 'deliver #1', 415000],
           ['client/flow/#1~84', 'read the run', 415000],
           ['client/flow/#1~84', 'record step_started of #1', 415000],
           ['client/flow/#1~85', 'deliver #1', 420000],
           ['client/flow/#1~85', 'read the run', 420000],
           ['client/flow/#1~85', 'record step_started of #1', 420000],
           ['client/flow/#1~86', 'deliver #1', 425000],
           ['client/flow/#1~86', 'read the run', 425000],
           ['client/flow/#1~86', 'record step_started of #1', 425000],
           ['client/flow/#1~87', 'deliver #1', 430000],
           ['client/flow/#1~87', 'read the run', 430000],
           ['client/flow/#1~87', 'record step_started of #1', 430000],
           ['client/flow/#1~88', 'deliver #1', 435000],
           ['client/flow/#1~88', 'read the run', 435000],
           ['client/flow/#1~88', 'record step_started of #1', 435000],
           ['client/flow/#1~89', 'deliver #1', 440000],
           ['client/flow/#1~89', 'read the run', 440000],
           ['client/flow/#1~89', 'record step_started of #1', 440000],
           ['client/flow/#1~90', 'deliver #1', 445000],
           ['client/flow/#1~90', 'read the run', 445000],
           ['client/flow/#1~90', 'record step_started of #1', 445000],
           ['client/flow/#1~91', 'deliver #1', 450000],
           ['client/flow/#1~91', 'read the run', 450000],
           ['client/flow/#1~91', 'record step_started of #1', 450000],
           ['client/flow/#1~92', 'deliver #1', 455000],
           ['client/flow/#1~92', 'read the run', 455000],
           ['client/flow/#1~92', 'record step_started of #1', 455000],
           ['client/flow/#1~93', 'deliver #1', 460000],
           ['client/flow/#1~93', 'read the run', 460000],
           ['client/flow/#1~93', 'record step_started of #1', 460000],
           ['client/flow/#1~94', 'deliver #1', 465000],
           ['client/flow/#1~94', 'read the run', 465000],
           ['client/flow/#1~94', 'record step_started of #1', 465000],
           ['client/flow/#1~95', 'deliver #1', 470000],
           ['client/flow/#1~95', 'read the run', 470000],
           ['client/flow/#1~95', 'record step_started of #1', 470000],
           ['client/flow/#1~96', 'deliver #1', 475000],
           ['client/flow/#1~96', 'read the run', 475000],
           ['client/flow/#1~96', 'record step_started of #1', 475000],
           ['client/flow/#1~97', 'deliver #1', 480000],
           ['client/flow/#1~97', 'read the run', 480000],
           ['client/flow/#1~97', 'record step_started of #1', 480000],
           ['client/flow/#1~98', 'deliver #1', 485000],
           ['client/flow/#1~98', 'read the run', 485000],
           ['client/flow/#1~98', 'record step_started of #1', 485000],
           ['client/flow/#1~99', 'deliver #1', 490000],
           ['client/flow/#1~99', 'read the run', 490000],
           ['client/flow/#1~99', 'record step_started of #1', 490000],
           ['client/flow/#1~100', 'deliver #1', 495000],
           ['client/flow/#1~100', 'read the run', 495000],
           ['client/flow/#1~100', 'record step_started of #1', 495000],
           ['client/flow/#1~101', 'deliver #1', 500000],
           ['client/flow/#1~101', 'read the run', 500000],
           ['client/flow/#1~101', 'record step_started of #1', 500000],
           ['client/flow/#1~102', 'deliver #1', 505000],
           ['client/flow/#1~102', 'read the run', 505000],
           ['client/flow/#1~102', 'record step_started of #1', 505000],
           ['client/flow/#1~103', 'deliver #1', 510000],
           ['client/flow/#1~103', 'read the run', 510000],
           ['client/flow/#1~103', 'record step_started of #1', 510000],
           ['client/flow/#1~104', 'deliver #1', 515000],
           ['client/flow/#1~104', 'read the run', 515000],
           ['client/flow/#1~104', 'record step_started of #1', 515000],
           ['client/flow/#1~105', 'deliver #1', 520000],
           ['client/flow/#1~105', 'read the run', 520000],
           ['client/flow/#1~105', 'record step_started of #1', 520000],
           ['client/flow/#1~106', 'deliver #1', 525000],
           ['client/flow/#1~106', 'read the run', 525000],
           ['client/flow/#1~106', 'record step_started of #1', 525000],
           ['client/flow/#1~107', 'deliver #1', 530000],
           ['client/flow/#1~107', 'read the run', 530000],
           ['client/flow/#1~107', 'record step_started of #1', 530000],
           ['client/flow/#1~108', 'deliver #1', 535000],
           ['client/flow/#1~108', 'read the run', 535000],
           ['client/flow/#1~108', 'record step_started of #1', 535000],
           ['client/flow/#1~109', 'deliver #1', 540000],
           ['client/flow/#1~109', 'read the run', 540000],
           ['client/flow/#1~109', 'record step_started of #1', 540000],
           ['client/flow/#1~110', 'deliver #1', 545000],
           ['client/flow/#1~110', 'read the run', 545000],
           ['client/flow/#1~110', 'record step_started of #1', 545000],
           ['client/flow/#1~111', 'deliver #1', 550000],
           ['client/flow/#1~111', 'read the run', 550000],
           ['client/flow/#1~111', 'record step_started of #1', 550000],
           ['client/flow/#1~112', 'deliver #1', 555000],
           ['client/flow/#1~112', 'read the run', 555000],
           ['client/flow/#1~112', 'record step_started of #1', 555000],
           ['client/flow/#1~113', 'deliver #1', 560000],
           ['client/flow/#1~113', 'read the run', 560000],
           ['client/flow/#1~113', 'record step_started of #1', 560000],
           ['client/flow/#1~114', 'deliver #1', 565000],
           ['client/flow/#1~114', 'read the run', 565000],
           ['client/flow/#1~114', 'record step_started of #1', 565000],
           ['client/flow/#1~115', 'deliver #1', 570000],
           ['client/flow/#1~115', 'read the run', 570000],
           ['client/flow/#1~115', 'record step_started of #1', 570000],
           ['client/flow/#1~116', 'deliver #1', 575000],
           ['client/flow/#1~116', 'read the run', 575000],
           ['client/flow/#1~116', 'record step_started of #1', 575000],
           ['client/flow/#1~117', 'deliver #1', 580000],
           ['client/flow/#1~117', 'read the run', 580000],
           ['client/flow/#1~117', 'record step_started of #1', 580000],
           ['client/flow/#1~118', 'deliver #1', 585000],
           ['client/flow/#1~118', 'read the run', 585000],
           ['client/flow/#1~118', 'record step_started of #1', 585000],
           ['client/flow/#1~119', 'deliver #1', 590000],
           ['client/flow/#1~119', 'read the run', 590000],
           ['client/flow/#1~119', 'record step_started of #1', 590000],
           ['client/flow/#1~120', 'deliver #1', 595000],
           ['client/flow/#1~120', 'read the run', 595000],
           ['client/flow/#1~120', 'record step_started of #1', 595000],
           ['client/flow/#1~121', 'deliver #1', 600000],
           ['client/flow/#1~121', 'read the run', 600000],
           ['client/flow/#1~121', 'record step_started of #1', 600000],
           ['client/flow/#1~122', 'deliver #1', 605000],
           ['client/flow/#1~122', 'read the run', 605000],
           ['client/flow/#1~122', 'record step_started of #1', 605000],
           ['client/flow/#1~123', 'deliver #1', 610000],
           ['client/flow/#1~123', 'read the run', 610000],
           ['client/flow/#1~123', 'record step_started of #1', 610000],
           ['client/flow/#1~124', 'deliver #1', 615000],
           ['client/flow/#1~124', 'read the run', 615000],
           ['client/flow/#1~124', 'record step_started of #1', 615000],
           ['client/flow/#1~125', 'deliver #1', 620000],
           ['client/flow/#1~125', 'read the run', 620000],
           ['client/flow/#1~125', 'record step_started of #1', 620000],
           ['client/flow/#1~126', 'deliver #1', 625000],
           ['client/flow/#1~126', 'read the run', 625000],
           ['client/flow/#1~126', 'record step_started of #1', 625000],
           ['client/flow/#1~127', 'deliver #1', 630000],
           ['client/flow/#1~127', 'read the run', 630000],
           ['client/flow/#1~127', 'record step_started of #1', 630000],
           ['client/flow/#1~128', 'deliver #1', 635000],
           ['client/flow/#1~128', 'read the run', 635000],
           ['client/flow/#1~128', 'record step_started of #1', 635000],
           ['client/flow/#1~129', 'deliver #1', 640000],
           ['client/flow/#1~129', 'read the run', 640000],
           ['client/flow/#1~129', 'record step_started of #1', 640000],
           ['client/flow/#1~130', 'deliver #1', 645000],
           ['client/flow/#1~130', 'read the run', 645000],
           ['client/flow/#1~130', 'record step_started of #1', 645000],
           ['client/flow/#1~131', 'deliver #1', 650000],
           ['client/flow/#1~131', 'read the run', 650000],
           ['client/flow/#1~131', 'record step_started of #1', 650000],
           ['client/flow/#1~132', 'deliver #1', 655000],
           ['client/flow/#1~132', 'read the run', 655000],
           ['client/flow/#1~132', 'record step_started of #1', 655000],
           ['client/flow/#1~133', 'deliver #1', 660000],
           ['client/flow/#1~133', 'read the run', 660000],
           ['client/flow/#1~133', 'record step_started of #1', 660000],
           ['client/flow/#1~134', 'deliver #1', 665000],
           ['client/flow/#1~134', 'read the run', 665000],
           ['client/flow/#1~134', 'record step_started of #1', 665000],
           ['client/flow/#1~135', 'deliver #1', 670000],
           ['client/flow/#1~135', 'read the run', 670000],
           ['client/flow/#1~135', 'record step_started of #1', 670000],
           ['client/flow/#1~136', 'deliver #1', 675000],
           ['client/flow/#1~136', 'read the run', 675000],
           ['client/flow/#1~136', 'record step_started of #1', 675000],
           ['client/flow/#1~137', 'deliver #1', 680000],
           ['client/flow/#1~137', 'read the run', 680000],
           ['client/flow/#1~137', 'record step_started of #1', 680000],
           ['client/flow/#1~138', 'deliver #1', 685000],
           ['client/flow/#1~138', 'read the run', 685000],
           ['client/flow/#1~138', 'record step_started of #1', 685000],
           ['client/flow/#1~139', 'deliver #1', 690000],
           ['client/flow/#1~139', 'read the run', 690000],
           ['client/flow/#1~139', 'record step_started of #1', 690000],
           ['client/flow/#1~140', 'deliver #1', 695000],
           ['client/flow/#1~140', 'read the run', 695000],
           ['client/flow/#1~140', 'record step_started of #1', 695000],
           ['client/flow/#1~141', 'deliver #1', 700000],
           ['client/flow/#1~141', 'read the run', 700000],
           ['client/flow/#1~141', 'record step_started of #1', 700000],
           ['client/flow/#1~142', 'deliver #1', 705000],
           ['client/flow/#1~142', 'read the run', 705000],
           ['client/flow/#1~142', 'record step_started of #1', 705000],
           ['client/flow/#1~143', 'deliver #1', 710000],
           ['client/flow/#1~143', 'read the run', 710000],
           ['client/flow/#1~143', 'record step_started of #1', 710000],
           ['client/flow/#1~144', 'deliver #1', 715000],
           ['client/flow/#1~144', 'read the run', 715000],
           ['client/flow/#1~144', 'record step_started of #1', 715000],
           ['client/flow/#1~145', 'deliver #1', 720000],
           ['client/flow/#1~145', 'read the run', 720000],
           ['client/flow/#1~145', 'record step_started of #1', 720000],
           ['client/flow/#1~146', 'deliver #1', 725000],
           ['client/flow/#1~146', 'read the run', 725000],
           ['client/flow/#1~146', 'record step_started of #1', 725000],
           ['client/flow/#1~147', 'deliver #1', 730000],
           ['client/flow/#1~147', 'read the run', 730000],
           ['client/flow/#1~147', 'record step_started of #1', 730000],
           ['client/flow/#1~148', 'deliver #1', 735000],
           ['client/flow/#1~148', 'read the run', 735000],
           ['client/flow/#1~148', 'record step_started of #1', 735000],
           ['client/flow/#1~149', 'deliver #1', 740000],
           ['client/flow/#1~149', 'read the run', 740000],
           ['client/flow/#1~149', 'record step_started of #1', 740000],
           ['client/flow/#1~150', 'deliver #1', 745000],
           ['client/flow/#1~150', 'read the run', 745000],
           ['client/flow/#1~150', 'record step_started of #1', 745000],
           ['client/flow/#1~151', 'deliver #1', 750000],
           ['client/flow/#1~151', 'read the run', 750000],
           ['client/flow/#1~151', 'record step_started of #1', 750000],
           ['client/flow/#1~152', 'deliver #1', 755000],
           ['client/flow/#1~152', 'read the run', 755000],
           ['client/flow/#1~152', 'record step_started of #1', 755000],
           ['client/flow/#1~153', 'deliver #1', 760000],
           ['client/flow/#1~153', 'read the run', 760000],
           ['client/flow/#1~153', 'record step_started of #1', 760000],
           ['client/flow/#1~154', 'deliver #1', 765000],
           ['client/flow/#1~154', 'read the run', 765000],
           ['client/flow/#1~154', 'record step_started of #1', 765000],
           ['client/flow/#1~155', 'deliver #1', 770000],
           ['client/flow/#1~155', 'read the run', 770000],
           ['client/flow/#1~155', 'record step_started of #1', 770000],
           ['client/flow/#1~156', 'deliver #1', 775000],
           ['client/flow/#1~156', 'read the run', 775000],
           ['client/flow/#1~156', 'record step_started of #1', 775000],
           ['client/flow/#1~157', 'deliver #1', 780000],
           ['client/flow/#1~157', 'read the run', 780000],
           ['client/flow/#1~157', 'record step_started of #1', 780000],
           ['client/flow/#1~158', 'deliver #1', 785000],
           ['client/flow/#1~158', 'read the run', 785000],
           ['client/flow/#1~158', 'record step_started of #1', 785000],
           ['client/flow/#1~159', 'deliver #1', 790000],
           ['client/flow/#1~159', 'read the run', 790000],
           ['client/flow/#1~159', 'record step_started of #1', 790000],
           ['client/flow/#1~160', 'deliver #1', 795000],
           ['client/flow/#1~160', 'read the run', 795000],
           ['client/flow/#1~160', 'record step_started of #1', 795000],
           ['client/flow/#1~161', 'deliver #1', 800000],
           ['client/flow/#1~161', 'read the run', 800000],
           ['client/flow/#1~161', 'record step_started of #1', 800000],
           ['client/flow/#1~162', 'deliver #1', 805000],
           ['client/flow/#1~162', 'read the run', 805000],
           ['client/flow/#1~162', 'record step_started of #1', 805000],
           ['client/flow/#1~163', 'deliver #1', 810000],
           ['client/flow/#1~163', 'read the run', 810000],
           ['client/flow/#1~163', 'record step_started of #1', 810000],
           ['client/flow/#1~164', 'deliver #1', 815000],
           ['client/flow/#1~164', 'read the run', 815000],
           ['client/flow/#1~164', 'record step_started of #1', 815000],
           ['client/flow/#1~165', 'deliver #1', 820000],
           ['client/flow/#1~165', 'read the run', 820000],
           ['client/flow/#1~165', 'record step_started of #1', 820000],
           ['client/flow/#1~166', 'deliver #1', 825000],
           ['client/flow/#1~166', 'read the run', 825000],
           ['client/flow/#1~166', 'record step_started of #1', 825000],
           ['client/flow/#1~167', 'deliver #1', 830000],
           ['client/flow/#1~167', 'read the run', 830000],
           ['client/flow/#1~167', 'record step_started of #1', 830000],
           ['client/flow/#1~168', 'deliver #1', 835000],
           ['client/flow/#1~168', 'read the run', 835000],
           ['client/flow/#1~168', 'record step_started of #1', 835000],
           ['client/flow/#1~169', 'deliver #1', 840000],
           ['client/flow/#1~169', 'read the run', 840000],
           ['client/flow/#1~169', 'record step_started of #1', 840000],
           ['client/flow/#1~170', 'deliver #1', 845000],
           ['client/flow/#1~170', 'read the run', 845000],
           ['client/flow/#1~170', 'record step_started of #1', 845000],
           ['client/flow/#1~171', 'deliver #1', 850000],
           ['client/flow/#1~171', 'read the run', 850000],
           ['client/flow/#1~171', 'record step_started of #1', 850000],
           ['client/flow/#1~172', 'deliver #1', 855000],
           ['client/flow/#1~172', 'read the run', 855000],
           ['client/flow/#1~172', 'record step_started of #1', 855000],
           ['client/flow/#1~173', 'deliver #1', 860000],
           ['client/flow/#1~173', 'read the run', 860000],
           ['client/flow/#1~173', 'record step_started of #1', 860000],
           ['client/flow/#1~174', 'deliver #1', 865000],
           ['client/flow/#1~174', 'read the run', 865000],
           ['client/flow/#1~174', 'record step_started of #1', 865000],
           ['client/flow/#1~175', 'deliver #1', 870000],
           ['client/flow/#1~175', 'read the run', 870000],
           ['client/flow/#1~175', 'record step_started of #1', 870000],
           ['client/flow/#1~176', 'deliver #1', 875000],
           ['client/flow/#1~176', 'read the run', 875000],
           ['client/flow/#1~176', 'record step_started of #1', 875000],
           ['client/flow/#1~177', 'deliver #1', 880000],
           ['client/flow/#1~177', 'read the run', 880000],
           ['client/flow/#1~177', 'record step_started of #1', 880000],
           ['client/flow/#1~178', 'deliver #1', 885000],
           ['client/flow/#1~178', 'read the run', 885000],
           ['client/flow/#1~178', 'record step_started of #1', 885000],
           ['client/flow/#1~179', 'deliver #1', 890000],
           ['client/flow/#1~179', 'read the run', 890000],
           ['client/flow/#1~179', 'record step_started of #1', 890000],
           ['client/flow/#1~180', 'deliver #1', 895000],
           ['client/flow/#1~180', 'read the run', 895000],
           ['client/flow/#1~180', 'record step_started of #1', 895000],
           ['client/flow/#1~181', 'deliver #1', 900000],
           ['client/flow/#1~181', 'read the run', 900000],
           ['client/flow/#1~181', 'record step_started of #1', 900000],
           ['client/flow/#1~182', 'deliver #1', 905000],
           ['client/flow/#1~182', 'read the run', 905000],
           ['client/flow/#1~182', 'record step_started of #1', 905000],
           ['client/flow/#1~183', 'deliver #1', 910000],
           ['client/flow/#1~183', 'read the run', 910000],
           ['client/flow/#1~183', 'record step_started of #1', 910000],
           ['client/flow/#1~184', 'deliver #1', 915000],
           ['client/flow/#1~184', 'read the run', 915000],
           ['client/flow/#1~184', 'record step_started of #1', 915000],
           ['client/flow/#1~185', 'deliver #1', 920000],
           ['client/flow/#1~185', 'read the run', 920000],
           ['client/flow/#1~185', 'record step_started of #1', 920000],
           ['client/flow/#1~186', 'deliver #1', 925000],
           ['client/flow/#1~186', 'read the run', 925000],
           ['client/flow/#1~186', 'record step_started of #1', 925000],
           ['client/flow/#1~187', 'deliver #1', 930000],
           ['client/flow/#1~187', 'read the run', 930000],
           ['client/flow/#1~187', 'record step_started of #1', 930000],
           ['client/flow/#1~188', 'deliver #1', 935000],
           ['client/flow/#1~188', 'read the run', 935000],
           ['client/flow/#1~188', 'record step_started of #1', 935000],
           ['client/flow/#1~189', 'deliver #1', 940000],
           ['client/flow/#1~189', 'read the run', 940000],
           ['client/flow/#1~189', 'record step_started of #1', 940000],
           ['client/flow/#1~190', 'deliver #1', 945000],
           ['client/flow/#1~190', 'read the run', 945000],
           ['client/flow/#1~190', 'record step_started of #1', 945000],
           ['client/flow/#1~191', 'deliver #1', 950000],
           ['client/flow/#1~191', 'read the run', 950000],
           ['client/flow/#1~191', 'record step_started of #1', 950000],
           ['client/flow/#1~192', 'deliver #1', 955000],
           ['client/flow/#1~192', 'read the run', 955000],
           ['client/flow/#1~192', 'record step_started of #1', 955000],
           ['client/flow/#1~193', 'deliver #1', 960000],
           ['client/flow/#1~193', 'read the run', 960000],
           ['client/flow/#1~193', 'record step_started of #1', 960000],
           ['client/flow/#1~194', 'deliver #1', 965000],
           ['client/flow/#1~194', 'read the run', 965000],
           ['client/flow/#1~194', 'record step_started of #1', 965000],
           ['client/flow/#1~195', 'deliver #1', 970000],
           ['client/flow/#1~195', 'read the run', 970000],
           ['client/flow/#1~195', 'record step_started of #1', 970000],
           ['client/flow/#1~196', 'deliver #1', 975000],
           ['client/flow/#1~196', 'read the run', 975000],
           ['client/flow/#1~196', 'record step_started of #1', 975000],
           ['client/flow/#1~197', 'deliver #1', 980000],
           ['client/flow/#1~197', 'read the run', 980000],
           ['client/flow/#1~197', 'record step_started of #1', 980000],
           ['client/flow/#1~198', 'deliver #1', 985000],
           ['client/flow/#1~198', 'read the run', 985000],
           ['client/flow/#1~198', 'record step_started of #1', 985000],
           ['client/flow/#1~199', 'deliver #1', 990000],
           ['client/flow/#1~199', 'read the run', 990000],
           ['client/flow/#1~199', 'record step_started of #1', 990000],
           ['client/flow/#1~200', 'deliver #1', 995000],
           ['client/flow/#1~200', 'read the run', 995000],
           ['client/flow/#1~200', 'record step_started of #1', 995000],
           ['client/flow/#1~201', 'deliver #1', 1000000],
           ['client/flow/#1~201', 'read the run', 1000000],
           ['client/flow/#1~201', 'record step_started of #1', 1000000],
           ['client/flow/#1~202', 'deliver #1', 1005000],
           ['client/flow/#1~202', 'read the run', 1005000],
           ['client/flow/#1~202', 'record step_started of #1', 1005000],
           ['client/flow/#1~203', 'deliver #1', 1010000],
           ['client/flow/#1~203', 'read the run', 1010000],
           ['client/flow/#1~203', 'record step_started of #1', 1010000],
           ['client/flow/#1~204', 'deliver #1', 1015000],
           ['client/flow/#1~204', 'read the run', 1015000],
           ['client/flow/#1~204', 'record step_started of #1', 1015000],
           ['client/flow/#1~205', 'deliver #1', 1020000],
           ['client/flow/#1~205', 'read the run', 1020000],
           ['client/flow/#1~205', 'record step_started of #1', 1020000],
           ['client/flow/#1~206', 'deliver #1', 1025000],
           ['client/flow/#1~206', 'read the run', 1025000],
           ['client/flow/#1~206', 'record step_started of #1', 1025000],
           ['client/flow/#1~207', 'deliver #1', 1030000],
           ['client/flow/#1~207', 'read the run', 1030000],
           ['client/flow/#1~207', 'record step_started of #1', 1030000],
           ['client/flow/#1~208', 'deliver #1', 1035000],
           ['client/flow/#1~208', 'read the run', 1035000],
           ['client/flow/#1~208', 'record step_started of #1', 1035000],
           ['client/flow/#1~209', 'deliver #1', 1040000],
           ['client/flow/#1~209', 'read the run', 1040000],
           ['client/flow/#1~209', 'record step_started of #1', 1040000],
           ['client/flow/#1~210', 'deliver #1', 1045000],
           ['client/flow/#1~210', 'read the run', 1045000],
           ['client/flow/#1~210', 'record step_started of #1', 1045000],
           ['client/flow/#1~211', 'deliver #1', 1050000],
           ['client/flow/#1~211', 'read the run', 1050000],
           ['client/flow/#1~211', 'record step_started of #1', 1050000],
           ['client/flow/#1~212', 'deliver #1', 1055000],
           ['client/flow/#1~212', 'read the run', 1055000],
           ['client/flow/#1~212', 'record step_started of #1', 1055000],
           ['client/flow/#1~213', 'deliver #1', 1060000],
           ['client/flow/#1~213', 'read the run', 1060000],
           ['client/flow/#1~213', 'record step_started of #1', 1060000],
           ['client/flow/#1~214', 'deliver #1', 1065000],
           ['client/flow/#1~214', 'read the run', 1065000],
           ['client/flow/#1~214', 'record step_started of #1', 1065000],
           ['client/flow/#1~215', 'deliver #1', 1070000],
           ['client/flow/#1~215', 'read the run', 1070000],
           ['client/flow/#1~215', 'record step_started of #1', 1070000],
           ['client/flow/#1~216', 'deliver #1', 1075000],
           ['client/flow/#1~216', 'read the run', 1075000],
           ['client/flow/#1~216', 'record step_started of #1', 1075000],
           ['client/flow/#1~217', 'deliver #1', 1080000],
           ['client/flow/#1~217', 'read the run', 1080000],
           ['client/flow/#1~217', 'record step_started of #1', 1080000],
           ['client/flow/#1~218', 'deliver #1', 1085000],
           ['client/flow/#1~218', 'read the run', 1085000],
           ['client/flow/#1~218', 'record step_started of #1', 1085000],
           ['client/flow/#1~219', 'deliver #1', 1090000],
           ['client/flow/#1~219', 'read the run', 1090000],
           ['client/flow/#1~219', 'record step_started of #1', 1090000],
           ['client/flow/#1~220', 'deliver #1', 1095000],
           ['client/flow/#1~220', 'read the run', 1095000],
           ['client/flow/#1~220', 'record step_started of #1', 1095000],
           ['client/flow/#1~221', 'deliver #1', 1100000],
           ['client/flow/#1~221', 'read the run', 1100000],
           ['client/flow/#1~221', 'record step_started of #1', 1100000],
           ['client/flow/#1~222', 'deliver #1', 1105000],
           ['client/flow/#1~222', 'read the run', 1105000],
           ['client/flow/#1~222', 'record step_started of #1', 1105000],
           ['client/flow/#1~223', 'deliver #1', 1110000],
           ['client/flow/#1~223', 'read the run', 1110000],
           ['client/flow/#1~223', 'record step_started of #1', 1110000],
           ['client/flow/#1~224', 'deliver #1', 1115000],
           ['client/flow/#1~224', 'read the run', 1115000],
           ['client/flow/#1~224', 'record step_started of #1', 1115000],
           ['client/flow/#1~225', 'deliver #1', 1120000],
           ['client/flow/#1~225', 'read the run', 1120000],
           ['client/flow/#1~225', 'record step_started of #1', 1120000],
           ['client/flow/#1~226', 'deliver #1', 1125000],
           ['client/flow/#1~226', 'read the run', 1125000],
           ['client/flow/#1~226', 'record step_started of #1', 1125000],
           ['client/flow/#1~227', 'deliver #1', 1130000],
           ['client/flow/#1~227', 'read the run', 1130000],
           ['client/flow/#1~227', 'record step_started of #1', 1130000],
           ['client/flow/#1~228', 'deliver #1', 1135000],
           ['client/flow/#1~228', 'read the run', 1135000],
           ['client/flow/#1~228', 'record step_started of #1', 1135000],
           ['client/flow/#1~229', 'deliver #1', 1140000],
           ['client/flow/#1~229', 'read the run', 1140000],
           ['client/flow/#1~229', 'record step_started of #1', 1140000],
           ['client/flow/#1~230', 'deliver #1', 1145000],
           ['client/flow/#1~230', 'read the run', 1145000],
           ['client/flow/#1~230', 'record step_started of #1', 1145000],
           ['client/flow/#1~231', 'deliver #1', 1150000],
           ['client/flow/#1~231', 'read the run', 1150000],
           ['client/flow/#1~231', 'record step_started of #1', 1150000],
           ['client/flow/#1~232', 'deliver #1', 1155000],
           ['client/flow/#1~232', 'read the run', 1155000],
           ['client/flow/#1~232', 'record step_started of #1', 1155000],
           ['client/flow/#1~233', 'deliver #1', 1160000],
           ['client/flow/#1~233', 'read the run', 1160000],
           ['client/flow/#1~233', 'record step_started of #1', 1160000],
           ['client/flow/#1~234', 'deliver #1', 1165000],
           ['client/flow/#1~234', 'read the run', 1165000],
           ['client/flow/#1~234', 'record step_started of #1', 1165000],
           ['client/flow/#1~235', 'deliver #1', 1170000],
           ['client/flow/#1~235', 'read the run', 1170000],
           ['client/flow/#1~235', 'record step_started of #1', 1170000],
           ['client/flow/#1~236', 'deliver #1', 1175000],
           ['client/flow/#1~236', 'read the run', 1175000],
           ['client/flow/#1~236', 'record step_started of #1', 1175000],
           ['client/flow/#1~237', 'deliver #1', 1180000],
           ['client/flow/#1~237', 'read the run', 1180000],
           ['client/flow/#1~237', 'record step_started of #1', 1180000],
           ['client/flow/#1~238', 'deliver #1', 1185000],
           ['client/flow/#1~238', 'read the run', 1185000],
           ['client/flow/#1~238', 'record step_started of #1', 1185000],
           ['client/flow/#1~239', 'deliver #1', 1190000],
           ['client/flow/#1~239', 'read the run', 1190000],
           ['client/flow/#1~239', 'record step_started of #1', 1190000],
           ['client/flow/#1~240', 'deliver #1', 1195000],
           ['client/flow/#1~240', 'read the run', 1195000],
           ['client/flow/#1~240', 'record step_started of #1', 1195000],
           ['client/flow/#1~241', 'deliver #1', 1200000],
           ['client/flow/#1~241', 'read the run', 1200000],
           ['client/flow/#1~241', 'record step_started of #1', 1200000],
           ['client/flow/#1~242', 'deliver #1', 1205000],
           ['client/flow/#1~242', 'read the run', 1205000],
           ['client/flow/#1~242', 'record step_started of #1', 1205000],
           ['client/flow/#1~243', 'deliver #1', 1210000],
           ['client/flow/#1~243', 'read the run', 1210000],
           ['client/flow/#1~243', 'record step_started of #1', 1210000],
           ['client/flow/#1~244', 'deliver #1', 1215000],
           ['client/flow/#1~244', 'read the run', 1215000],
           ['client/flow/#1~244', 'record step_started of #1', 1215000],
           ['client/flow/#1~245', 'deliver #1', 1220000],
           ['client/flow/#1~245', 'read the run', 1220000],
           ['client/flow/#1~245', 'record step_started of #1', 1220000],
           ['client/flow/#1~246', 'deliver #1', 1225000],
           ['client/flow/#1~246', 'read the run', 1225000],
           ['client/flow/#1~246', 'record step_started of #1', 1225000],
           ['client/flow/#1~247', 'deliver #1', 1230000],
           ['client/flow/#1~247', 'read the run', 1230000],
           ['client/flow/#1~247', 'record step_started of #1', 1230000],
           ['client/flow/#1~248', 'deliver #1', 1235000],
           ['client/flow/#1~248', 'read the run', 1235000],
           ['client/flow/#1~248', 'record step_started of #1', 1235000],
           ['client/flow/#1~249', 'deliver #1', 1240000],
           ['client/flow/#1~249', 'read the run', 1240000],
           ['client/flow/#1~249', 'record step_started of #1', 1240000],
           ['client/flow/#1~250', 'deliver #1', 1245000],
           ['client/flow/#1~250', 'read the run', 1245000],
           ['client/flow/#1~250', 'record step_started of #1', 1245000],
           ['client/flow/#1~251', 'deliver #1', 1250000],
           ['client/flow/#1~251', 'read the run', 1250000],
           ['client/flow/#1~251', 'record step_started of #1', 1250000],
           ['client/flow/#1~252', 'deliver #1', 1255000],
           ['client/flow/#1~252', 'read the run', 1255000],
           ['client/flow/#1~252', 'record step_started of #1', 1255000],
           ['client/flow/#1~253', 'deliver #1', 1260000],
           ['client/flow/#1~253', 'read the run', 1260000],
           ['client/flow/#1~253', 'record step_started of #1', 1260000],
           ['client/flow/#1~254', 'deliver #1', 1265000],
           ['client/flow/#1~254', 'read the run', 1265000],
           ['client/flow/#1~254', 'record step_started of #1', 1265000],
           ['client/flow/#1~255', 'deliver #1', 1270000],
           ['client/flow/#1~255', 'read the run', 1270000],
           ['client/flow/#1~255', 'record step_started of #1', 1270000],
           ['client/flow/#1~256', 'deliver #1', 1275000],
           ['client/flow/#1~256', 'read the run', 1275000],
           ['client/flow/#1~256', 'record step_started of #1', 1275000],
           ['client/flow/#1~257', 'deliver #1', 1280000],
           ['client/flow/#1~257', 'read the run', 1280000],
           ['client/flow/#1~257', 'record step_started of #1', 1280000],
           ['client/flow/#1~258', 'deliver #1', 1285000],
           ['client/flow/#1~258', 'read the run', 1285000],
           ['client/flow/#1~258', 'record step_started of #1', 1285000],
           ['client/flow/#1~259', 'deliver #1', 1290000],
           ['client/flow/#1~259', 'read the run', 1290000],
           ['client/flow/#1~259', 'record step_started of #1', 1290000],
           ['client/flow/#1~260', 'deliver #1', 1295000],
           ['client/flow/#1~260', 'read the run', 1295000],
           ['client/flow/#1~260', 'record step_started of #1', 1295000],
           ['client/flow/#1~261', 'deliver #1', 1300000],
           ['client/flow/#1~261', 'read the run', 1300000],
           ['client/flow/#1~261', 'record step_started of #1', 1300000],
           ['client/flow/#1~262', 'deliver #1', 1305000],
           ['client/flow/#1~262', 'read the run', 1305000],
           ['client/flow/#1~262', 'record step_started of #1', 1305000],
           ['client/flow/#1~263', 'deliver #1', 1310000],
           ['client/flow/#1~263', 'read the run', 1310000],
           ['client/flow/#1~263', 'record step_started of #1', 1310000],
           ['client/flow/#1~264', 'deliver #1', 1315000],
           ['client/flow/#1~264', 'read the run', 1315000],
           ['client/flow/#1~264', 'record step_started of #1', 1315000],
           ['client/flow/#1~265', 'deliver #1', 1320000],
           ['client/flow/#1~265', 'read the run', 1320000],
           ['client/flow/#1~265', 'record step_started of #1', 1320000],
           ['client/flow/#1~266', 'deliver #1', 1325000],
           ['client/flow/#1~266', 'read the run', 1325000],
           ['client/flow/#1~266', 'record step_started of #1', 1325000],
           ['client/flow/#1~267', 'deliver #1', 1330000],
           ['client/flow/#1~267', 'read the run', 1330000],
           ['client/flow/#1~267', 'record step_started of #1', 1330000],
           ['client/flow/#1~268', 'deliver #1', 1335000],
           ['client/flow/#1~268', 'read the run', 1335000],
           ['client/flow/#1~268', 'record step_started of #1', 1335000],
           ['client/flow/#1~269', 'deliver #1', 1340000],
           ['client/flow/#1~269', 'read the run', 1340000],
           ['client/flow/#1~269', 'record step_started of #1', 1340000],
           ['client/flow/#1~270', 'deliver #1', 1345000],
           ['client/flow/#1~270', 'read the run', 1345000],
           ['client/flow/#1~270', 'record step_started of #1', 1345000],
           ['client/flow/#1~271', 'deliver #1', 1350000],
           ['client/flow/#1~271', 'read the run', 1350000],
           ['client/flow/#1~271', 'record step_started of #1', 1350000],
           ['client/flow/#1~272', 'deliver #1', 1355000],
           ['client/flow/#1~272', 'read the run', 1355000],
           ['client/flow/#1~272', 'record step_started of #1', 1355000],
           ['client/flow/#1~273', 'deliver #1', 1360000],
           ['client/flow/#1~273', 'read the run', 1360000],
           ['client/flow/#1~273', 'record step_started of #1', 1360000],
           ['client/flow/#1~274', 'deliver #1', 1365000],
           ['client/flow/#1~274', 'read the run', 1365000],
           ['client/flow/#1~274', 'record step_started of #1', 1365000],
           ['client/flow/#1~275', 'deliver #1', 1370000],
           ['client/flow/#1~275', 'read the run', 1370000],
           ['client/flow/#1~275', 'record step_started of #1', 1370000],
           ['client/flow/#1~276', 'deliver #1', 1375000],
           ['client/flow/#1~276', 'read the run', 1375000],
           ['client/flow/#1~276', 'record step_started of #1', 1375000],
           ['client/flow/#1~277', 'deliver #1', 1380000],
           ['client/flow/#1~277', 'read the run', 1380000],
           ['client/flow/#1~277', 'record step_started of #1', 1380000],
           ['client/flow/#1~278', 'deliver #1', 1385000],
           ['client/flow/#1~278', 'read the run', 1385000],
           ['client/flow/#1~278', 'record step_started of #1', 1385000],
           ['client/flow/#1~279', 'deliver #1', 1390000],
           ['client/flow/#1~279', 'read the run', 1390000],
           ['client/flow/#1~279', 'record step_started of #1', 1390000],
           ['client/flow/#1~280', 'deliver #1', 1395000],
           ['client/flow/#1~280', 'read the run', 1395000],
           ['client/flow/#1~280', 'record step_started of #1', 1395000],
           ['client/flow/#1~281', 'deliver #1', 1400000],
           ['client/flow/#1~281', 'read the run', 1400000],
           ['client/flow/#1~281', 'record step_started of #1', 1400000],
           ['client/flow/#1~282', 'deliver #1', 1405000],
           ['client/flow/#1~282', 'read the run', 1405000],
           ['client/flow/#1~282', 'record step_started of #1', 1405000],
           ['client/flow/#1~283', 'deliver #1', 1410000],
           ['client/flow/#1~283', 'read the run', 1410000],
           ['client/flow/#1~283', 'record step_started of #1', 1410000],
           ['client/flow/#1~284', 'deliver #1', 1415000],
           ['client/flow/#1~284', 'read the run', 1415000],
           ['client/flow/#1~284', 'record step_started of #1', 1415000],
           ['client/flow/#1~285', 'deliver #1', 1420000],
           ['client/flow/#1~285', 'read the run', 1420000],
           ['client/flow/#1~285', 'record step_started of #1', 1420000],
           ['client/flow/#1~286', 'deliver #1', 1425000],
           ['client/flow/#1~286', 'read the run', 1425000],
           ['client/flow/#1~286', 'record step_started of #1', 1425000],
           ['client/flow/#1~287', 'deliver #1', 1430000],
           ['client/flow/#1~287', 'read the run', 1430000],
           ['client/flow/#1~287', 'record step_started of #1', 1430000],
           ['client/flow/#1~288', 'deliver #1', 1435000],
           ['client/flow/#1~288', 'read the run', 1435000],
           ['client/flow/#1~288', 'record step_started of #1', 1435000],
           ['client/flow/#1~289', 'deliver #1', 1440000],
           ['client/flow/#1~289', 'read the run', 1440000],
           ['client/flow/#1~289', 'record step_started of #1', 1440000],
           ['client/flow/#1~290', 'deliver #1', 1445000],
           ['client/flow/#1~290', 'read the run', 1445000],
           ['client/flow/#1~290', 'record step_started of #1', 1445000],
           ['client/flow/#1~291', 'deliver #1', 1450000],
           ['client/flow/#1~291', 'read the run', 1450000],
           ['client/flow/#1~291', 'record step_started of #1', 1450000],
           ['client/flow/#1~292', 'deliver #1', 1455000],
           ['client/flow/#1~292', 'read the run', 1455000],
           ['client/flow/#1~292', 'record step_started of #1', 1455000],
           ['client/flow/#1~293', 'deliver #1', 1460000],
           ['client/flow/#1~293', 'read the run', 1460000],
           ['client/flow/#1~293', 'record step_started of #1', 1460000],
           ['client/flow/#1~294', 'deliver #1', 1465000],
           ['client/flow/#1~294', 'read the run', 1465000],
           ['client/flow/#1~294', 'record step_started of #1', 1465000],
           ['client/flow/#1~295', 'deliver #1', 1470000],
           ['client/flow/#1~295', 'read the run', 1470000],
           ['client/flow/#1~295', 'record step_started of #1', 1470000],
           ['client/flow/#1~296', 'deliver #1', 1475000],
           ['client/flow/#1~296', 'read the run', 1475000],
           ['client/flow/#1~296', 'record step_started of #1', 1475000],
           ['client/flow/#1~297', 'deliver #1', 1480000],
           ['client/flow/#1~297', 'read the run', 1480000],
           ['client/flow/#1~297', 'record step_started of #1', 1480000],
           ['client/flow/#1~298', 'deliver #1', 1485000],
           ['client/flow/#1~298', 'read the run', 1485000],
           ['client/flow/#1~298', 'record step_started of #1', 1485000],
           ['client/flow/#1~299', 'deliver #1', 1490000],
           ['client/flow/#1~299', 'read the run', 1490000],
           ['client/flow/#1~299', 'record step_started of #1', 1490000],
           ['client/flow/#1~300', 'deliver #1', 1495000],
           ['client/flow/#1~300', 'read the run', 1495000],
           ['client/flow/#1~300', 'record step_started of #1', 1495000],
           ['client/flow/#1~301', 'deliver #1', 1500000],
           ['client/flow/#1~301', 'read the run', 1500000],
           ['client/flow/#1~301', 'record step_started of #1', 1500000],
           ['client/flow/#1~302', 'deliver #1', 1505000],
           ['client/flow/#1~302', 'read the run', 1505000],
           ['client/flow/#1~302', 'record step_started of #1', 1505000],
           ['client/flow/#1~303', 'deliver #1', 1510000],
           ['client/flow/#1~303', 'read the run', 1510000],
           ['client/flow/#1~303', 'record step_started of #1', 1510000],
           ['client/flow/#1~304', 'deliver #1', 1515000],
           ['client/flow/#1~304', 'read the run', 1515000],
           ['client/flow/#1~304', 'record step_started of #1', 1515000],
           ['client/flow/#1~305', 'deliver #1', 1520000],
           ['client/flow/#1~305', 'read the run', 1520000],
           ['client/flow/#1~305', 'record step_started of #1', 1520000],
           ['client/flow/#1~306', 'deliver #1', 1525000],
           ['client/flow/#1~306', 'read the run', 1525000],
           ['client/flow/#1~306', 'record step_started of #1', 1525000],
           ['client/flow/#1~307', 'deliver #1', 1530000],
           ['client/flow/#1~307', 'read the run', 1530000],
           ['client/flow/#1~307', 'record step_started of #1', 1530000],
           ['client/flow/#1~308', 'deliver #1', 1535000],
           ['client/flow/#1~308', 'read the run', 1535000],
           ['client/flow/#1~308', 'record step_started of #1', 1535000],
           ['client/flow/#1~309', 'deliver #1', 1540000],
           ['client/flow/#1~309', 'read the run', 1540000],
           ['client/flow/#1~309', 'record step_started of #1', 1540000],
           ['client/flow/#1~310', 'deliver #1', 1545000],
           ['client/flow/#1~310', 'read the run', 1545000],
           ['client/flow/#1~310', 'record step_started of #1', 1545000],
           ['client/flow/#1~311', 'deliver #1', 1550000],
           ['client/flow/#1~311', 'read the run', 1550000],
           ['client/flow/#1~311', 'record step_started of #1', 1550000],
           ['client/flow/#1~312', 'deliver #1', 1555000],
           ['client/flow/#1~312', 'read the run', 1555000],
           ['client/flow/#1~312', 'record step_started of #1', 1555000],
           ['client/flow/#1~313', 'deliver #1', 1560000],
           ['client/flow/#1~313', 'read the run', 1560000],
           ['client/flow/#1~313', 'record step_started of #1', 1560000],
           ['client/flow/#1~314', 'deliver #1', 1565000],
           ['client/flow/#1~314', 'read the run', 1565000],
           ['client/flow/#1~314', 'record step_started of #1', 1565000],
           ['client/flow/#1~315', 'deliver #1', 1570000],
           ['client/flow/#1~315', 'read the run', 1570000],
           ['client/flow/#1~315', 'record step_started of #1', 1570000],
           ['client/flow/#1~316', 'deliver #1', 1575000],
           ['client/flow/#1~316', 'read the run', 1575000],
           ['client/flow/#1~316', 'record step_started of #1', 1575000],
           ['client/flow/#1~317', 'deliver #1', 1580000],
           ['client/flow/#1~317', 'read the run', 1580000],
           ['client/flow/#1~317', 'record step_started of #1', 1580000],
           ['client/flow/#1~318', 'deliver #1', 1585000],
           ['client/flow/#1~318', 'read the run', 1585000],
           ['client/flow/#1~318', 'record step_started of #1', 1585000],
           ['client/flow/#1~319', 'deliver #1', 1590000],
           ['client/flow/#1~319', 'read the run', 1590000],
           ['client/flow/#1~319', 'record step_started of #1', 1590000],
           ['client/flow/#1~320', 'deliver #1', 1595000],
           ['client/flow/#1~320', 'read the run', 1595000],
           ['client/flow/#1~320', 'record step_started of #1', 1595000],
           ['client/flow/#1~321', 'deliver #1', 1600000],
           ['client/flow/#1~321', 'read the run', 1600000],
           ['client/flow/#1~321', 'record step_started of #1', 1600000],
           ['client/flow/#1~322', 'deliver #1', 1605000],
           ['client/flow/#1~322', 'read the run', 1605000],
           ['client/flow/#1~322', 'record step_started of #1', 1605000],
           ['client/flow/#1~323', 'deliver #1', 1610000],
           ['client/flow/#1~323', 'read the run', 1610000],
           ['client/flow/#1~323', 'record step_started of #1', 1610000],
           ['client/flow/#1~324', 'deliver #1', 1615000],
           ['client/flow/#1~324', 'read the run', 1615000],
           ['client/flow/#1~324', 'record step_started of #1', 1615000],
           ['client/flow/#1~325', 'deliver #1', 1620000],
           ['client/flow/#1~325', 'read the run', 1620000],
           ['client/flow/#1~325', 'record step_started of #1', 1620000],
           ['client/flow/#1~326', 'deliver #1', 1625000],
           ['client/flow/#1~326', 'read the run', 1625000],
           ['client/flow/#1~326', 'record step_started of #1', 1625000],
           ['client/flow/#1~327', 'deliver #1', 1630000],
           ['client/flow/#1~327', 'read the run', 1630000],
           ['client/flow/#1~327', 'record step_started of #1', 1630000],
           ['client/flow/#1~328', 'deliver #1', 1635000],
           ['client/flow/#1~328', 'read the run', 1635000],
           ['client/flow/#1~328', 'record step_started of #1', 1635000],
           ['client/flow/#1~329', 'deliver #1', 1640000],
           ['client/flow/#1~329', 'read the run', 1640000],
           ['client/flow/#1~329', 'record step_started of #1', 1640000],
           ['client/flow/#1~330', 'deliver #1', 1645000],
           ['client/flow/#1~330', 'read the run', 1645000],
           ['client/flow/#1~330', 'record step_started of #1', 1645000],
           ['client/flow/#1~331', 'deliver #1', 1650000],
           ['client/flow/#1~331', 'read the run', 1650000],
           ['client/flow/#1~331', 'record step_started of #1', 1650000],
           ['client/flow/#1~332', 'deliver #1', 1655000],
           ['client/flow/#1~332', 'read the run', 1655000],
           ['client/flow/#1~332', 'record step_started of #1', 1655000],
           ['client/flow/#1~333', 'deliver #1', 1660000],
           ['client/flow/#1~333', 'read the run', 1660000],
           ['client/flow/#1~333', 'record step_started of #1', 1660000],
           ['client/flow/#1~334', 'deliver #1', 1665000],
           ['client/flow/#1~334', 'read the run', 1665000],
           ['client/flow/#1~334', 'record step_started of #1', 1665000],
           ['client/flow/#1~335', 'deliver #1', 1670000],
           ['client/flow/#1~335', 'read the run', 1670000],
           ['client/flow/#1~335', 'record step_started of #1', 1670000],
           ['client/flow/#1~336', 'deliver #1', 1675000],
           ['client/flow/#1~336', 'read the run', 1675000],
           ['client/flow/#1~336', 'record step_started of #1', 1675000],
           ['client/flow/#1~337', 'deliver #1', 1680000],
           ['client/flow/#1~337', 'read the run', 1680000],
           ['client/flow/#1~337', 'record step_started of #1', 1680000],
           ['client/flow/#1~338', 'deliver #1', 1685000],
           ['client/flow/#1~338', 'read the run', 1685000],
           ['client/flow/#1~338', 'record step_started of #1', 1685000],
           ['client/flow/#1~339', 'deliver #1', 1690000],
           ['client/flow/#1~339', 'read the run', 1690000],
           ['client/flow/#1~339', 'record step_started of #1', 1690000],
           ['client/flow/#1~340', 'deliver #1', 1695000],
           ['client/flow/#1~340', 'read the run', 1695000],
           ['client/flow/#1~340', 'record step_started of #1', 1695000],
           ['client/flow/#1~341', 'deliver #1', 1700000],
           ['client/flow/#1~341', 'read the run', 1700000],
           ['client/flow/#1~341', 'record step_started of #1', 1700000],
           ['client/flow/#1~342', 'deliver #1', 1705000],
           ['client/flow/#1~342', 'read the run', 1705000],
           ['client/flow/#1~342', 'record step_started of #1', 1705000],
           ['client/flow/#1~343', 'deliver #1', 1710000],
           ['client/flow/#1~343', 'read the run', 1710000],
           ['client/flow/#1~343', 'record step_started of #1', 1710000],
           ['client/flow/#1~344', 'deliver #1', 1715000],
           ['client/flow/#1~344', 'read the run', 1715000],
           ['client/flow/#1~344', 'record step_started of #1', 1715000],
           ['client/flow/#1~345', 'deliver #1', 1720000],
           ['client/flow/#1~345', 'read the run', 1720000],
           ['client/flow/#1~345', 'record step_started of #1', 1720000],
           ['client/flow/#1~346', 'deliver #1', 1725000],
           ['client/flow/#1~346', 'read the run', 1725000],
           ['client/flow/#1~346', 'record step_started of #1', 1725000],
           ['client/flow/#1~347', 'deliver #1', 1730000],
           ['client/flow/#1~347', 'read the run', 1730000],
           ['client/flow/#1~347', 'record step_started of #1', 1730000],
           ['client/flow/#1~348', 'deliver #1', 1735000],
           ['client/flow/#1~348', 'read the run', 1735000],
           ['client/flow/#1~348', 'record step_started of #1', 1735000],
           ['client/flow/#1~349', 'deliver #1', 1740000],
           ['client/flow/#1~349', 'read the run', 1740000],
           ['client/flow/#1~349', 'record step_started of #1', 1740000],
           ['client/flow/#1~350', 'deliver #1', 1745000],
           ['client/flow/#1~350', 'read the run', 1745000],
           ['client/flow/#1~350', 'record step_started of #1', 1745000],
           ['client/flow/#1~351', 'deliver #1', 1750000],
           ['client/flow/#1~351', 'read the run', 1750000],
           ['client/flow/#1~351', 'record step_started of #1', 1750000],
           ['client/flow/#1~352', 'deliver #1', 1755000],
           ['client/flow/#1~352', 'read the run', 1755000],
           ['client/flow/#1~352', 'record step_started of #1', 1755000],
           ['client/flow/#1~353', 'deliver #1', 1760000],
           ['client/flow/#1~353', 'read the run', 1760000],
           ['client/flow/#1~353', 'record step_started of #1', 1760000],
           ['client/flow/#1~354', 'deliver #1', 1765000],
           ['client/flow/#1~354', 'read the run', 1765000],
           ['client/flow/#1~354', 'record step_started of #1', 1765000],
           ['client/flow/#1~355', 'deliver #1', 1770000],
           ['client/flow/#1~355', 'read the run', 1770000],
           ['client/flow/#1~355', 'record step_started of #1', 1770000],
           ['client/flow/#1~356', 'deliver #1', 1775000],
           ['client/flow/#1~356', 'read the run', 1775000],
           ['client/flow/#1~356', 'record step_started of #1', 1775000],
           ['client/flow/#1~357', 'deliver #1', 1780000],
           ['client/flow/#1~357', 'read the run', 1780000],
           ['client/flow/#1~357', 'record step_started of #1', 1780000],
           ['client/flow/#1~358', 'deliver #1', 1785000],
           ['client/flow/#1~358', 'read the run', 1785000],
           ['client/flow/#1~358', 'record step_started of #1', 1785000],
           ['client/flow/#1~359', 'deliver #1', 1790000],
           ['client/flow/#1~359', 'read the run', 1790000],
           ['client/flow/#1~359', 'record step_started of #1', 1790000],
           ['client/flow/#1~360', 'deliver #1', 1795000],
           ['client/flow/#1~360', 'read the run', 1795000],
           ['client/flow/#1~360', 'record step_started of #1', 1795000],
           ['client/flow/#1~361', 'deliver #1', 1800000],
           ['client/flow/#1~361', 'read the run', 1800000],
           ['client/flow/#1~361', 'record step_started of #1', 1800000],
           ['client/flow/#1~362', 'deliver #1', 1805000],
           ['client/flow/#1~362', 'read the run', 1805000],
           ['client/flow/#1~362', 'record step_started of #1', 1805000],
           ['client/flow/#1~363', 'deliver #1', 1810000],
           ['client/flow/#1~363', 'read the run', 1810000],
           ['client/flow/#1~363', 'record step_started of #1', 1810000],
           ['client/flow/#1~364', 'deliver #1', 1815000],
           ['client/flow/#1~364', 'read the run', 1815000],
           ['client/flow/#1~364', 'record step_started of #1', 1815000],
           ['client/flow/#1~365', 'deliver #1', 1820000],
           ['client/flow/#1~365', 'read the run', 1820000],
           ['client/flow/#1~365', 'record step_started of #1', 1820000],
           ['client/flow/#1~366', 'deliver #1', 1825000],
           ['client/flow/#1~366', 'read the run', 1825000],
           ['client/flow/#1~366', 'record step_started of #1', 1825000],
           ['client/flow/#1~367', 'deliver #1', 1830000],
           ['client/flow/#1~367', 'read the run', 1830000],
           ['client/flow/#1~367', 'record step_started of #1', 1830000],
           ['client/flow/#1~368', 'deliver #1', 1835000],
           ['client/flow/#1~368', 'read the run', 1835000],
           ['client/flow/#1~368', 'record step_started of #1', 1835000],
           ['client/flow/#1~369', 'deliver #1', 1840000],
           ['client/flow/#1~369', 'read the run', 1840000],
           ['client/flow/#1~369', 'record step_started of #1', 1840000],
           ['client/flow/#1~370', 'deliver #1', 1845000],
           ['client/flow/#1~370', 'read the run', 1845000],
           ['client/flow/#1~370', 'record step_started of #1', 1845000],
           ['client/flow/#1~371', 'deliver #1', 1850000],
           ['client/flow/#1~371', 'read the run', 1850000],
           ['client/flow/#1~371', 'record step_started of #1', 1850000],
           ['client/flow/#1~372', 'deliver #1', 1855000],
           ['client/flow/#1~372', 'read the run', 1855000],
           ['client/flow/#1~372', 'record step_started of #1', 1855000],
           ['client/flow/#1~373', 'deliver #1', 1860000],
           ['client/flow/#1~373', 'read the run', 1860000],
           ['client/flow/#1~373', 'record step_started of #1', 1860000],
           ['client/flow/#1~374', 'deliver #1', 1865000],
           ['client/flow/#1~374', 'read the run', 1865000],
           ['client/flow/#1~374', 'record step_started of #1', 1865000],
           ['client/flow/#1~375', 'deliver #1', 1870000],
           ['client/flow/#1~375', 'read the run', 1870000],
           ['client/flow/#1~375', 'record step_started of #1', 1870000],
           ['client/flow/#1~376', 'deliver #1', 1875000],
           ['client/flow/#1~376', 'read the run', 1875000],
           ['client/flow/#1~376', 'record step_started of #1', 1875000],
           ['client/flow/#1~377', 'deliver #1', 1880000],
           ['client/flow/#1~377', 'read the run', 1880000],
           ['client/flow/#1~377', 'record step_started of #1', 1880000],
           ['client/flow/#1~378', 'deliver #1', 1885000],
           ['client/flow/#1~378', 'read the run', 1885000],
           ['client/flow/#1~378', 'record step_started of #1', 1885000],
           ['client/flow/#1~379', 'deliver #1', 1890000],
           ['client/flow/#1~379', 'read the run', 1890000],
           ['client/flow/#1~379', 'record step_started of #1', 1890000],
           ['client/flow/#1~380', 'deliver #1', 1895000],
           ['client/flow/#1~380', 'read the run', 1895000],
           ['client/flow/#1~380', 'record step_started of #1', 1895000],
           ['client/flow/#1~381', 'deliver #1', 1900000],
           ['client/flow/#1~381', 'read the run', 1900000],
           ['client/flow/#1~381', 'record step_started of #1', 1900000],
           ['client/flow/#1~382', 'deliver #1', 1905000],
           ['client/flow/#1~382', 'read the run', 1905000],
           ['client/flow/#1~382', 'record step_started of #1', 1905000],
           ['client/flow/#1~383', 'deliver #1', 1910000],
           ['client/flow/#1~383', 'read the run', 1910000],
           ['client/flow/#1~383', 'record step_started of #1', 1910000],
           ['client/flow/#1~384', 'deliver #1', 1915000],
           ['client/flow/#1~384', 'read the run', 1915000],
           ['client/flow/#1~384', 'record step_started of #1', 1915000],
           ['client/flow/#1~385', 'deliver #1', 1920000],
           ['client/flow/#1~385', 'read the run', 1920000],
           ['client/flow/#1~385', 'record step_started of #1', 1920000],
           ['client/flow/#1~386', 'deliver #1', 1925000],
           ['client/flow/#1~386', 'read the run', 1925000],
           ['client/flow/#1~386', 'record step_started of #1', 1925000],
           ['client/flow/#1~387', 'deliver #1', 1930000],
           ['client/flow/#1~387', 'read the run', 1930000],
           ['client/flow/#1~387', 'record step_started of #1', 1930000],
           ['client/flow/#1~388', 'deliver #1', 1935000],
           ['client/flow/#1~388', 'read the run', 1935000],
           ['client/flow/#1~388', 'record step_started of #1', 1935000],
           ['client/flow/#1~389', 'deliver #1', 1940000],
           ['client/flow/#1~389', 'read the run', 1940000],
           ['client/flow/#1~389', 'record step_started of #1', 1940000],
           ['client/flow/#1~390', 'deliver #1', 1945000],
           ['client/flow/#1~390', 'read the run', 1945000],
           ['client/flow/#1~390', 'record step_started of #1', 1945000],
           ['client/flow/#1~391', 'deliver #1', 1950000],
           ['client/flow/#1~391', 'read the run', 1950000],
           ['client/flow/#1~391', 'record step_started of #1', 1950000],
           ['client/flow/#1~392', 'deliver #1', 1955000],
           ['client/flow/#1~392', 'read the run', 1955000],
           ['client/flow/#1~392', 'record step_started of #1', 1955000],
           ['client/flow/#1~393', 'deliver #1', 1960000],
           ['client/flow/#1~393', 'read the run', 1960000],
           ['client/flow/#1~393', 'record step_started of #1', 1960000],
           ['client/flow/#1~394', 'deliver #1', 1965000],
           ['client/flow/#1~394', 'read the run', 1965000],
           ['client/flow/#1~394', 'record step_started of #1', 1965000],
           ['client/flow/#1~395', 'deliver #1', 1970000],
           ['client/flow/#1~395', 'read the run', 1970000],
           ['client/flow/#1~395', 'record step_started of #1', 1970000],
           ['client/flow/#1~396', 'deliver #1', 1975000],
           ['client/flow/#1~396', 'read the run', 1975000],
           ['client/flow/#1~396', 'record step_started of #1', 1975000],
           ['client/flow/#1~397', 'deliver #1', 1980000]]}

ENDED = ("completed", "failed", "cancelled")
ENDS = tuple(f"run_{each}" for each in ENDED)
STRAGGLERS = ("step_completed", "step_failed", "step_retrying")
"""What a body that has begun before its run's end may record after that."""
QUIET_S = 1.2
"""A queue that has nothing to do for so long has nothing to do any more."""
PAUSE_S = 0.005
"""After an act: the engine does first all that follows from it at once."""
AFTERWARDS_S = 0.2
"""So long an act waits for another where all that matters has happened."""
DOING: contextvars.ContextVar[str] = contextvars.ContextVar("DOING", default="")
"""The delivery, or the client's call, for which a call of the world is made."""
BODY: contextvars.ContextVar[str] = contextvars.ContextVar("BODY", default="")
"""The step whose body makes it."""


class After:
    """What is done for a run that has ended, and should not be."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._ends: dict[str, str] = {}
        self._starts: dict[tuple[str, str], int] = {}
        """Of a step, before its run's end: its bodies may begin, and end, after that."""
        self._refused: dict[tuple[str, str], int] = {}

    def look(self, kind: str, fields: dict[str, Any]) -> None:
        """A line of evidence."""
        end = self._ends.get(fields.get("run", ""), "")
        if kind == "event":
            self._event(end, fields)
        elif kind == "began" and end:
            if fields["attempt"] > self._starts.get((fields["run"], fields["step"]), 0):
                told = f"body {fields['number']} of {fields['name']} begins"
                self.broken.append(f"{told} after {end}, and was not started before")
        elif kind == "raised" and end:
            message, error = DOING.get().partition("~")[0], fields["error"]
            count = self._refused[message, error] = self._refused.get((message, error), 0) + 1
            if count == PLAN["deliveries_max"]:
                told = f"{count} deliveries of {message} after {end} fail alike"
                self.broken.append(f"{told}, {count - 1} of them sent by this script: {error}")

    def _event(self, end: str, fields: dict[str, Any]) -> None:
        kind = fields["event"]["eventType"]
        key = fields["run"], fields["event"].get("correlationId", "")
        if end:
            late = kind in STRAGGLERS and key in self._starts
            if not late and not kind == end == "run_cancelled":
                self.broken.append(f"{kind}{fields['where']} is recorded after {end}")
        elif kind in ENDS:
            self._ends[key[0]] = kind
        elif kind == "step_started":
            self._starts[key] = self._starts.get(key, 0) + 1


class Evidence:
    """What has happened, line by line."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115
        self.events: list[dict[str, Any]] = []
        self.after = After()

    def note(self, kind: str, **fields: Any) -> None:
        """One line."""
        line = {"kind": kind, "at_ms": int(time.time() * 1_000), "doing": DOING.get(), **fields}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if kind == "event":
            self.events.append(line)
        self.after.look(kind, fields)


class Conductor:
    """Lets calls go ahead in the order of the plan; whoever is not in it may go at any time."""

    def __init__(self, order: list[list[Any]], evidence: Evidence) -> None:
        self._order = order
        self._evidence = evidence
        self._wanted: dict[tuple[str, str], deque[int]] = {}
        for index, (doing, act, _) in enumerate(order):
            self._wanted.setdefault((doing, act), deque()).append(index)
        self._over = [False] * len(order)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._begun: list[int] = []
        """Those that have been let go ahead, and are not over yet."""
        self._next = 0
        self._pausing = False
        self._alarm: asyncio.TimerHandle | None = None
        self.followed = 0
        self.skipped = 0

    @property
    def whole(self) -> bool:
        """Everything in the order has happened, or never will."""
        return self._next >= len(self._order)

    async def turn(self, doing: str, act: str) -> int:
        """Wait until everything before this act has happened; its index, or -1."""
        wanted = self._wanted.get((doing, act))
        if not wanted:
            return -1
        index = wanted.popleft()
        if self._over[index]:
            return -1
        future = self._waiting[index] = asyncio.get_running_loop().create_future()
        self._go_on()
        await future
        self.followed += 1
        return index

    def done(self, index: int) -> None:
        """The act has happened."""
        if index >= 0:
            self._over[index] = True
            if index in self._begun:
                self._begun.remove(index)
            self._pausing = True
            asyncio.get_running_loop().call_later(PAUSE_S, self._pause_over)

    def _pause_over(self) -> None:
        self._pausing = False
        self._go_on()

    def never(self, gone: Callable[[str], bool]) -> None:
        """What these deliveries have not done, they will not do."""
        for index in range(self._next, len(self._order)):
            pending = index not in self._waiting and index not in self._begun
            if not self._over[index] and pending and gone(self._order[index][0]):
                self._over[index] = True
                self.skipped += 1
        self._go_on()

    def _go_on(self) -> None:
        if self._pausing:
            return
        while self._next < len(self._order) and self._over[self._next]:
            self._next += 1
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
        if self._next >= len(self._order) or self._next in self._begun:
            return
        future = self._waiting.pop(self._next, None)
        if future is not None:
            self._begun.append(self._next)
            future.set_result(None)
        elif self._waiting and self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(self._patience_s(), self._give_up, self._next)

    def _patience_s(self) -> float:
        """How long to wait for an act that has not come: its own time, and some more."""
        if self._next >= PLAN["decided"]:
            return AFTERWARDS_S
        before_ms: int = self._order[max(0, self._next - 1)][2]
        own_ms: int = self._order[self._next][2] - before_ms
        patience_s: float = PLAN["patience_s"] + min(own_ms, PLAN["longest_ms"]) / 1_000
        return patience_s

    def _give_up(self, index: int) -> None:
        self._alarm = None
        if index == self._next and not self._over[index]:
            self._evidence.note("missing", act=self._order[index][1], by=self._order[index][0])
            self._over[index] = True
            self.skipped += 1
            self._go_on()


class Names:
    """Names that are the same in every run: deliveries by who has sent them, steps by number."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self._firsts: dict[str, int] = {}
        self._children: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._begun: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        """Message → how many of it there are; each is delivered once."""
        self._messages: dict[str, asyncio.Future[str]] = {}

    def run(self, run_id: str) -> str:
        """``run``, ``run.2`` …; ``run:#3`` for one that the body of a step has started."""
        if run_id not in self.runs:
            parent = BODY.get().replace("/", ":")
            number = self._children[parent] = self._children.get(parent, 0) + 1
            label = parent or "run"
            self.runs[run_id] = label if number == 1 else f"{label}.{number}"
        return self.runs[run_id]

    def entity(self, run_id: str, correlation_id: str) -> str:
        """``#3``: the third thing that the run has drawn an id for.

        Its ids are one more than the last, from one on that follows from the run's own id.
        """
        if run_id not in self._firsts:
            draw = ulid.monotonic_factory(random.Random(run_id).random)
            self._firsts[run_id] = number_of(draw(1))
        return f"#{number_of(correlation_id) - self._firsts[run_id] + 1}"

    def where(self, run_id: str, correlation_id: str | None) -> str:
        """`` of #3``, `` of run.2/#3``, `` of run.2``; nothing of the main run."""
        run = self.run(run_id)
        if not correlation_id:
            return "" if run == "run" else f" of {run}"
        entity = self.entity(run_id, correlation_id)
        return f" of {entity}" if run == "run" else f" of {run}/{entity}"

    def message(self, sender: str, part: str) -> str:
        """The name of a message that is sent now."""
        path = f"{sender}/{part}"
        number = self._sent[path] = self._sent.get(path, 0) + 1
        return path if number == 1 else f"{path}.{number}"

    def bind(self, message_id: str, name: str) -> None:
        """A message of this name is in the queue, once more perhaps."""
        self.copies[name] = self.copies.get(name, 0) + 1
        future = self._future(message_id)
        if not future.done():
            future.set_result(name)

    async def delivery(self, message_id: str) -> tuple[str, str]:
        """(message, delivery) by the queue's id, which may be known a moment before its name."""
        name = await self._future(message_id)
        number = self._begun[name] = self._begun.get(name, 0) + 1
        return name, name if number == 1 else f"{name}~{number}"

    def _future(self, message_id: str) -> asyncio.Future[str]:
        if message_id not in self._messages:
            self._messages[message_id] = asyncio.get_running_loop().create_future()
        return self._messages[message_id]


def number_of(identifier: str) -> int:
    """What counts in a ULID, as a number."""
    number = 0
    for letter in identifier[-ulid.RANDOM_LEN :]:
        number = number * ulid.ENCODING_LEN + ulid.ENCODING.index(letter)
    return number


import argparse
import asyncio
import functools
import importlib
import importlib.metadata
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import vercel.queue as vqs
from vercel.workflow import Workflows, get_step_metadata, start
from vercel.workflow._internal import runtime
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import local
from vercel.workflow._internal.worlds import vercel as hosted_module


hosted: Any = hosted_module


def failure(how: str, *, of_queue: bool) -> Exception:
    """What the SDK gets to see: a full disk, or what its clients of the hosted service raise."""
    if of_queue and how == "lost_answer":
        return vqs.CommunicationError("no answer")
    if of_queue and how == "throttled":
        return vqs.ThrottledError(1)
    if of_queue:
        return vqs.InternalServerError("503")
    if PLAN["errors"] == "local":
        return OSError("no space left on device")
    if how == "lost_answer":
        silence: Exception = hosted.httpx.ReadTimeout("no answer")
        return silence
    if how == "throttled":
        return w.ThrottleError("429", status=429, retry_after=1)
    return w.WorkflowWorldError("503", status=503)


class World(local.LocalWorld):
    """The SDK's local world: a call waits for its turn, a message comes more than once, one call
    fails; all else is ``super()``'s."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        super().__init__()
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._at_work = 0
        """Deliveries that are being handled."""
        self._failed: dict[str, bool] = {}
        """Message that comes back in a minute → whether a copy of it came at once."""

    async def _performed(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Cancelled while it waits, it is carried out all the same: only its answer took long."""
        under_way = asyncio.ensure_future(self._in_turn(act, call))
        under_way.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(under_way)

    async def _in_turn(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        index = await self._conductor.turn(DOING.get(), act)
        how = PLAN["fails"].get(str(index), "")
        try:
            if how and how != "lost_answer":
                self._evidence.note("refused", act=act, how=how)
                raise failure(how, of_queue=act.startswith("send "))
            result = await call()
            if how:
                self._evidence.note("lost", act=act)
                raise failure(how, of_queue=act.startswith("send "))
            return result
        finally:
            self._conductor.done(index)

    async def events_create(self, run_id: Any, data: Any) -> Any:
        """``super()`` in its turn, and a line of evidence."""
        about = getattr(data, "correlation_id", None)
        unborn = f"run of {DOING.get()}"
        where = self._names.where(run_id or unborn, about)

        async def call() -> Any:
            result: Any = await local.LocalWorld.events_create(self, run_id, data)
            if run_id is None:  # before 0.10 it was the world that named a run
                self._names.runs[result.event.server_props.run_id] = self._names.runs.pop(unborn)
            if result.event is not None:
                record = local._encode_js(local.event_record(result.event))
                run_id_of = result.event.server_props.run_id
                self._evidence.note("event", event=record, where=where, run=run_id_of)
            return result

        return await self._performed(f"record {data.event_type}{where}", call)

    async def events_list(self, run_id: str, **kwargs: Any) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.events_list, self, run_id, **kwargs)
        return await self._performed(f"read the log{self._names.where(run_id, None)}", call)

    async def runs_get(self, run_id: str) -> Any:
        """``super()`` in its turn."""
        run = self._names.run(run_id)
        act = "read the run" if run == "run" else f"read {run}"
        return await self._performed(act, functools.partial(self.row, run_id))

    async def row(self, run_id: str) -> Any:
        """The run's row, whoever's turn it is."""
        return await local.LocalWorld.runs_get(self, run_id)

    async def hooks_get_by_token(self, token: str) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.hooks_get_by_token, self, token)
        return await self._performed(f"find the hook of token {token}", call)

    async def queue(self, queue_name: Any, message: Any, **kwargs: Any) -> str:
        """``super()`` in its turn; once more for each further delivery in the plan."""
        run_id, step_id = message.run_id, getattr(message, "step_id", None) or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"

        async def call() -> str:
            message_id: str = await local.LocalWorld.queue(self, queue_name, message, **kwargs)
            name = ""
            if not self._is_dropped(message_id):
                name = self._names.message(DOING.get(), part)
                self._names.bind(message_id, name)
            self._evidence.note("sent", message=name, run=run_id, step=step_id)
            for _ in range(PLAN["copies"].get(name, 0)):
                await self._send_copy(name, queue_name, message, kwargs, again=False)
            return message_id

        act = f"send {part}{self._names.where(run_id, None)}"
        return str(await self._performed(act, call))

    async def _send_copy(
        self, name: str, queue_name: Any, message: Any, how: Any, *, again: bool
    ) -> None:
        """At least once: the same message, without a key that would hold it back; ``again``: since
        its delivery has failed."""
        how = {**how, "idempotency_key": None}
        message_id = await local.LocalWorld.queue(self, queue_name, message, **how)
        self._names.bind(message_id, name)
        self._evidence.note("copied", message=name, again=again)

    def _is_dropped(self, message_id: str) -> bool:
        """Whether the queue knows it already, by its key and what it says."""
        service: Any = self._embedded_queue_service
        message = service.server.state.by_id.get(message_id)
        return message is not None and message.duplicate_of is not None

    def is_idle(self, *, all_ended: bool) -> bool:
        """Nothing is being handled, and nothing that matters waits for that."""
        service: Any = self._embedded_queue_service
        messages = [] if service is None else service.server.state.messages
        left = (
            each
            for each in messages
            if each.duplicate_of is None
            and not each.acknowledged_by_consumer
            and not self._failed.get(each.message_id, False)
            and not (all_ended and each.message_id in self._failed)
        )
        return not self._at_work and next(left, None) is None

    def create_queue_handler(self, queue_name_prefix: Any, handler: Any) -> Any:
        """``super()`` with a handler that knows which delivery it handles."""

        async def named(message: Any, **told: Any) -> Any:
            base, name = await self._names.delivery(told["message_id"])
            DOING.set(name)
            BODY.set("")
            self._at_work += 1
            try:
                return await self._handled(name, handler, message, told)
            except BaseException as error:
                told_error = f"{type(error).__name__}: {error}"
                self._evidence.note("raised", error=told_error, run=message.get("runId", ""))
                self._conductor.never(functools.partial(self._is_gone, name))
                again = self._names.copies[base] < PLAN["deliveries_max"]
                self._failed[told["message_id"]] = again
                if again:  # the queue's own delivery would come in a minute
                    adaptor: Any = w.QueuePayloadAdaptor
                    read = getattr(adaptor, "from_wire", None) or adaptor.validate_python
                    body = read(message)
                    await self._send_copy(base, told["queue_name"], body, {}, again=True)
                raise
            finally:
                self._at_work -= 1

        return super().create_queue_handler(queue_name_prefix, named)

    async def _handled(self, name: str, handler: Any, message: Any, told: Any) -> Any:
        run_id, step_id = message.get("runId", ""), message.get("stepId") or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"
        self._conductor.done(await self._conductor.turn(name, f"deliver {part}"))
        attempt = told["attempt"]
        self._evidence.note("delivered", run=run_id, step=step_id, attempt=attempt)
        result = await handler(message, **told)
        if result is None:  # else it sends a message yet
            self._conductor.never(functools.partial(self._is_gone, name))
        return result

    def _is_gone(self, name: str, doing: str) -> bool:
        """Whether it is this delivery, or one of a message that it has not sent."""
        if not doing.startswith(f"{name}/"):
            return doing == name
        part = doing[len(name) + 1 :].partition("/")[0].partition("~")[0]
        return f"{name}/{part}" not in self._names.copies


class Bodies:
    """Bodies begin and end in their turns, and fail where that was planned."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._begun: dict[str, int] = {}

    def watch(self, registry: Any) -> None:
        """The user's functions, not the SDK's: each is wrapped where it is registered."""
        for step in registry._steps.values():
            if PLAN["max_retries"] is not None:
                step.max_retries = PLAN["max_retries"]
            step.func = self._watched(step.name, step.func)

    def _watched(self, name: str, inner: Callable[..., Awaitable[Any]]) -> Any:
        @functools.wraps(inner)
        async def body(*args: Any, **kwargs: Any) -> Any:
            told = get_step_metadata()
            where = self._names.where(told.run_id, told.step_id).removeprefix(" of ")
            await self._take_turn(f"begin the body of {where}")
            BODY.set(f"{self._names.run(told.run_id)}/{where.rpartition('/')[2]}")
            number = self._begun[where] = self._begun.get(where, 0) + 1
            about: dict[str, Any] = {"run": told.run_id, "step": told.step_id, "number": number}
            self._evidence.note("began", name=name, attempt=told.attempt, **about)
            outcome, error = "ok", ""
            try:
                if [where, number] in PLAN["failures"]:
                    raise RuntimeError(f"flake: body {number} of {where} fails as planned")
                return await inner(*args, **kwargs)
            except Exception as raised:
                fatal = any(each.__name__ == "FatalError" for each in type(raised).__mro__)
                outcome, error = "fatal" if fatal else "error", f"{type(raised).__name__}: {raised}"
                raise
            finally:
                await self._take_turn(f"end the body of {where}")
                self._evidence.note("ended", outcome=outcome, error=error, **about)

        return body

    async def _take_turn(self, act: str) -> None:
        self._conductor.done(await self._conductor.turn(DOING.get(), act))


class Client:
    """What the clients did, call by call."""

    def __init__(self, module: Any, world: World, names: Names) -> None:
        self._module = module
        self._world = world
        self._names = names
        self.runs: list[Any] = []
        self.cancelled: set[str] = set()

    async def act(self) -> None:
        """All clients side by side, each one call after the other."""
        clients: dict[str, list[list[Any]]] = {}
        for doing, *call in PLAN["client"]:
            clients.setdefault(doing, []).append(call)
        await asyncio.gather(*[self._one(each, calls) for each, calls in clients.items()])

    async def _one(self, doing: str, calls: list[list[Any]]) -> None:
        DOING.set(doing)
        BODY.set("")
        for verb, *given in calls:
            await getattr(self, verb)(*given)

    async def start(self, workflow: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """A new run."""
        self.runs.append(await start(getattr(self._module, workflow), *args, **kwargs))

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass, but no more than has passed until the failure showed."""
        await asyncio.sleep(min(duration_ms, PLAN["longest_ms"]) / 1_000)

    async def resume_hook(self, token: str, payload: Any) -> None:
        """Send a payload to a hook, once it is there."""
        until = time.monotonic() + PLAN["patience_s"]
        while True:
            try:
                await runtime.resume_hook(token, payload)
                return
            except Exception as error:
                if "NotFound" not in type(error).__name__ or time.monotonic() > until:
                    return
            await asyncio.sleep(0.05)

    async def cancel(self, number: int) -> None:
        """End a run; the method's name differs between versions."""
        run = await self._run(number)
        self.cancelled.add(run.run_id)
        try:
            await (run.terminate() if hasattr(run, "terminate") else run.cancel())
        except Exception as error:
            print(f"cancel: {type(error).__name__}: {error}")

    async def result(self, number: int) -> None:
        """Wait for a run's end."""
        run = await self._run(number)
        while (await self._world.row(run.run_id)).status not in ENDED:
            await asyncio.sleep(0.05)

    async def _run(self, number: int) -> Any:
        while len(self.runs) <= number:
            await asyncio.sleep(0.05)
        return self.runs[number]


async def run_once(folder: str) -> int:
    """One run, in a folder of its own; the exit code."""
    os.environ["WORKFLOW_LOCAL_DATA_DIR"] = os.path.join(folder, "data")
    os.environ.pop("VERCEL_QUEUE_BASE_URL", None)
    evidence, names = Evidence(os.path.join(folder, "evidence.jsonl")), Names()
    conductor = Conductor(PLAN["order"], evidence)
    world = World(evidence, conductor, names)
    w.set_world(world)
    try:
        module = importlib.import_module(PLAN["module"])
    except ModuleNotFoundError as error:
        print(f"{error}: go to the folder that {PLAN['module']} is in, or name it with --path DIR")
        return 2
    bodies = Bodies(evidence, conductor, names)
    for registry in [each for each in vars(module).values() if isinstance(each, Workflows)]:
        bodies.watch(registry)
        if not world._queue_callbacks:
            runtime.workflow_entrypoint(registry)  # somebody else was to serve it
    client = Client(module, world, names)
    acting = asyncio.ensure_future(client.act())
    drained = await settled(world, client, acting, evidence)
    if acting.done():
        acting.result()
    for run in client.runs:
        row = await world.row(run.run_id)
        evidence.note("run", run=run.run_id, status=row.status)
    evidence.note(
        "final",
        drained=drained,
        acted=acting.done(),
        runs=names.runs,
        followed=conductor.followed,
        skipped=conductor.skipped,
    )
    code = await tell(client, world, drained, evidence)
    sys.stdout.flush()
    os._exit(code)  # a delivery that has failed would come back in a minute, and is not awaited


async def settled(
    world: World, client: Client, acting: asyncio.Future[Any], evidence: Evidence
) -> bool:
    """Wait until there is nothing left to do; False: there is, and the time is over."""
    until = time.monotonic() + PLAN["timeout_s"]
    quiet = time.monotonic()
    seen = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        ended = [each["event"]["eventType"] in ENDS for each in evidence.events]
        all_ended = 0 < len(client.runs) <= sum(ended) and acting.done()
        if not world.is_idle(all_ended=all_ended) or len(evidence.events) != seen:
            quiet, seen = time.monotonic(), len(evidence.events)
        elif time.monotonic() - quiet > QUIET_S + PLAN["longest_ms"] / 1_000 * (not acting.done()):
            return True
    return False


async def tell(client: Client, world: World, drained: bool, evidence: Evidence) -> int:
    """What was to be expected, and what was seen."""
    first = client.runs[0] if client.runs else None
    status = "not started" if first is None else (await world.row(first.run_id)).status
    print(f"vercel-workflow {importlib.metadata.version('vercel-workflow')}, its own local world")
    for line in evidence.events:
        kind = line["event"]["eventType"]
        at_ms = line["at_ms"] - evidence.events[0]["at_ms"]
        print(f"  {at_ms:6} ms  {kind}{line['where']}")
    told = ""
    if status in ENDED and first is not None:
        try:
            told = f": {await asyncio.wait_for(first.return_value(), 5)!r}"
        except Exception as error:
            told = f": {type(error).__name__}: {error}"
    expected = expected_of(first, client, evidence)
    print(f"expected: {' or '.join(expected)}, and nothing after that")
    print(f"seen: {status}{told}")
    for each in evidence.after.broken:
        print(f"seen: {each}")
    if not drained:
        print("seen: there was still something to do when the time was over")
    elif status not in ENDED:
        print("seen: the queue has nothing left to do, so nothing will ever go on")
    return 0 if status in expected and not evidence.after.broken else 1


def expected_of(first: Any, client: Client, evidence: Evidence) -> list[str]:
    """How the first run should end: as its client says, if that came first, else as planned."""
    if first is not None and first.run_id in client.cancelled:
        for line in evidence.events:
            kind = line["event"]["eventType"]
            if line["run"] == first.run_id and kind in ENDS:
                return ["cancelled"] if kind == "run_cancelled" else list(PLAN["expected"])
        return ["cancelled"]
    return list(PLAN["expected"])


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="no order, duplicate or failed call")
    parser.add_argument("--folder", help="where data and evidence go (default: a new one)")
    parser.add_argument("--path", action="append", default=[], help="where the module is, too")
    args = parser.parse_args()
    sys.path[:0] = [*args.path, os.path.dirname(os.path.abspath(__file__)), os.getcwd()]
    logging.disable(logging.CRITICAL)
    if args.plain:
        PLAN.update(order=[], copies={}, deliveries_max=0, fails={})
    return asyncio.run(run_once(args.folder or tempfile.mkdtemp(prefix="confirm-")))


if __name__ == "__main__":
    sys.exit(main())
