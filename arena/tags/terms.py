"""Words and phrases that tell what a question is about.

One phrase between commas; an asterisk stands for any ending. Compared without case.
"""

from __future__ import annotations

import re
from functools import cache

CODE_CERTAIN = """
javascript, typescript, c++, c#, f#, c++11, c++17, c++20, node.js, nodejs, numpy,
pandas, pytorch, tensorflow, matplotlib, scikit-learn, django, fastapi, flask app,
sqlalchemy, pytest, kubernetes, docker*, terraform, ansible, makefile, cmake, gcc,
clang, valgrind, gdb, npm, webpack, vue.js, next.js, svelte, laravel, jquery,
tailwind, flutter, .net, asp.net, sql, mysql, postgresql, postgres, sqlite, mongodb,
redis, kafka, graphql, grpc, html, css, xml, json, yaml, php, kotlin, haskell, golang,
matlab, elixir, erlang, clojure, ocaml, prolog, fortran, cobol, vba, verilog, vhdl,
cuda, opengl, powershell, bash, regex*, regexp, regular expression*, github, git,
linux kernel, stack overflow, leetcode, jupyter, vs code, vscode, intellij, vim,
emacs, crontab, cron job, systemd, ssh key*, oauth, oauth2, jwt, webhook*, rest api,
svg code, borrow checker, flexbox, async await, async and await, segmentation fault,
segfault, memory leak*, null pointer*, race condition*, deadlock*, data race*, garbage
collector, garbage collection, dependency injection, foreign key, primary key, list
comprehension*, time complexity, big o notation, binary tree*, binary search tree*,
binary search, hash table*, hash map*, hashmap*, linked list*, breadth-first,
depth-first, dynamic programming, object-oriented, pull request*, command-line,
command line, unit test*, quicksort, mergesort, stack trace*, source code, code
review, abstract class*, 正则表达式, 정규식, ubuntu, debian, raspberry pi, syntax error,
compile error*, type error*, runtime error*, tcp, udp, http*, websocket*, sockets,
unicode, utf-8, base64, localhost, firewall, github actions, ci/cd, pipeline yaml,
excel formula, spreadsheet formula, google sheets, vlookup, pivot table,
microservice*, load balancer, encryption key, hashing, machine code, assembly
language, operating system, root password, sudo, chmod, pip install, virtual
environment, environment variable*, query plan, sql injection, web scraper, scraping,
chatbot code, discord bot, telegram bot, html page, web app, frontend, backend,
fullstack, stdin, stdout, boolean, integer overflow, floating point, bitwise, enum,
enums, tuple, tuples, async, multithreading, oop, 字符串*, 数组*, 编程*, 変数*, 配列*, 변수*, 배열*,
programmier*, coder en, programmieren
"""
CODE_LANGUAGES = """
python, java, rust, go, ruby, swift, react, scala, perl, julia, angular, flask, spring, excel, lua,
r, c, shell, linux, 파이썬, 자바
"""
"""Words of other meanings too; these count beside one of `CODE_THINGS`, as they are written here
with a capital."""
CODE_THINGS = """
function*, method, methods, class, classes, interface, interfaces, script, scripts,
program*, code, codes, coding, algorithm*, compiler*, api, apis, endpoint*, array,
arrays, dictionary, dictionaries, decorator*, generics, thread, threads, mutex*, loop,
loops, recursion, variable, variables, pointer, pointers, string, strings, list,
lists, component, components, library, libraries, package, packages, module, modules,
fixture*, macro, macros, lambda*, closure*, runtime, sieve, parser*, iterator*,
struct*, trait, traits, goroutine*, csv, file, files, funktion*, klasse, skript,
schleife, liste, datei*, fonction*, requête, algorithme, fichier, función, consulta,
algoritmo, archivo, função, arquivo, funzione, functie, funkcj*, funkci*, funkce,
функци*, программ*, скрипт*, список, файл*, fonksiyon*, hàm, fungsi, 函数*, 函式*, 代码*,
程序*, 算法*, 排序*, 関数*, プログラム*, コード*,
리스트*, 함수*, 코드*, 프로그램*, tableau, fichiers, arreglo,
文件*, ファイル*, 파일*, 变量*, 循环*
"""
CODE_VERBS = "debug, refactor, compile, deploy, implement, parse, serialise, serialize, mock"
MATHS = """
derivative of, differentiate, antiderivative, integral of, integral domain, integral
from, integrate the, eigenvalue*, eigenvector*, determinant, matrix, matrices,
polynomial*, quadratic, logarithm*, log base, square root*, cube root*, prime number*,
prime factor*, probability of, probability that, without replacement, theorem, lemma,
converges to, bijection, limit of, solve for, solve the equation, equation*,
inequality, permutation*, combinatori*, binomial, factorial, fibonacci, calculus,
algebra, trigonometr*, area of a, area of an, surface area, volume of a, perimeter,
circumference, hypotenuse, triangle with, parabola, cosine, slope of, greatest common
divisor, least common multiple, modulo, remainder when, divisible by, standard
deviation, variance of, arithmetic sequence, arithmetic series, geometric sequence,
geometric series, how many ways, sum of the first, sum of the digits, by induction, to
a decimal, to a fraction, linear programming, sieve of, gleichung*, ableitung,
wahrscheinlichkeit*, wurzel aus, stammfunktion, dreieck*, fläche eines, flächeninhalt,
umfang eines, équation*, dérivée*, intégrale*, probabilité*, aire d'un, aire d’un,
ecuaci*, derivada*, probabilidad*, área de un, área de um, equação, equazione,
derivata, probabilità, vergelijking op, równani*, pochodn*, rovnic*, уравнени*,
производн*, вероятност*, интеграл*, площадь, рівнянн*, похідн*, denklem*, olasılık*,
türev*, phương trình, đạo hàm, persamaan, 方程*, 导数*, 积分*, 概率*, 面积*, 矩阵*, 微分*, 確率*,
行列式*, 積分*, 방정식*, 미분*, 적분*, 확률*, معادلة, المعادلة, معادله, sum of the, product of the
numbers, divided by, divide the, cube of, square of, series converge, convergent,
divergent, percent of, por ciento de, por cento de, pour cent de, prozent von, per
cent of, interior angle*, angles of, right angle, hexagon, pentagon, trapezoid,
rhombus, cylinder, sphere, cone with, diameter, arithmetic, algebraic, geometry,
trigonometric, tangent line, rational number*, irrational, complex number*, real
numbers, integers, odd number*, even number*, numerator, denominator, compound
interest, simple interest, per year for, expected value, coin flips, fair coin, dice,
deck of cards, vector space, linear map, group theory, topology, metric space,
continuous function, differential equation*, taylor series, fourier, laplace, gcd,
lcm, x-axis, y-axis, graph of y, quotient, mathe, mathematische, calcule*, calcula,
berechne, посчитай, вычисли, 计算, 計算, 계산
"""
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


@cache
def words(terms: str, *, capital: bool = False) -> re.Pattern[str]:
    """Finds any of `terms`; `capital`: only where it begins with a capital."""
    found = [" ".join(term.split()) for term in terms.split(",")]
    # The longest first, as an alternation takes the first that fits.
    patterns = [_pattern(term, capital) for term in sorted(filter(None, found), key=len)[::-1]]
    return re.compile("|".join(patterns), re.NOFLAG if capital else re.IGNORECASE)


def _pattern(term: str, capital: bool) -> str:
    text = term.removesuffix("*")
    body = re.escape(text.capitalize() if capital else text).replace(r"\ ", r"\s+")
    if _CJK.search(term):  # written without blanks between words
        return body
    # A word of Latin letters may stand between Chinese ones.
    letter = "[A-Za-z0-9_" if term.isascii() else r"[\w"
    return rf"(?<!{letter}.-]){body}" + (r"\w*" if term.endswith("*") else rf"(?!{letter}+#])")
